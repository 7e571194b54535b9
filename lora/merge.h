// Adapter folded into dense weights, one tensor at a time: W' = W + s·B·A in float32, rounded once
// to the stored dtype.
#pragma once
#include <optional>
#include <vector>

#include "core/safetensors.h"
#include "models/causal_lm.h"

namespace slmtune::lora {

// Every tensor of the base folder in its stored dtype, or in `dtype`, with the adapters of `model`
// merged where a linear has one. The base is read again from `base` (the original 16-bit weights),
// so a quantised model merges exactly, and one without values (models::load_skeleton) will do; one
// tensor and its factors are in memory at a time. A base whose files are in 4 bits
// (models/stored_weights.h) is written out in the 16-bit type that it was quantised from. While a
// tensor is written: FileFormatError F070 when a merged value leaves the range of float16, F096
// when it is not finite.
std::vector<TensorSource> merged_tensors(models::CausalLM& model, const TensorFolder& base,
                                         std::optional<DType> dtype = std::nullopt);

// The tensors of a fully trained model, in `stored` dtype.
std::vector<TensorSource> dense_tensors(models::CausalLM& model, DType stored);

}  // namespace slmtune::lora
