// The weights of a Hugging Face folder by the name of their parameter: plain tensors, and the 4-bit
// weights that bitsandbytes stores as several tensors each (bitsandbytes, nn/modules.py,
// Linear4bit._save_to_state_dict; functional.py, QuantState.as_dict).
//
//   const TensorFolder files = TensorFolder::open(folder);
//   for (const auto& [name, weight] : stored_weights(files)) ...   // files must outlive the result
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "kernels/quant/frozen_weight.h"

namespace slmtune::models {

struct StoredWeight {
  // Of the values; of a 4-bit weight, the type it was quantised from and is written out in. A model
  // computes with its exact values in the model's own type, as bitsandbytes does.
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;         // of the values; [out, in] of a 4-bit weight
  const TensorView* bytes = nullptr;  // the values, or two 4-bit codes a byte
  // Of a 4-bit weight only: its block scales, and their scales with double quantisation.
  const TensorView *absmax = nullptr, *nested_absmax = nullptr;
  int64_t block = 0, nested_block = 0;
  float offset = 0.0f;

  bool is_4bit() const { return absmax != nullptr; }
};

// Everything is checked before it is used. F058 a 4-bit weight whose description or tables are not
// those of bitsandbytes' NF4 (F002 when the description is no JSON), F057 parts that do not fit its
// shape, F051 another 4-bit format.
std::map<std::string, StoredWeight> stored_weights(const TensorFolder& files);

// Copies a 4-bit weight out of its file.
std::unique_ptr<kernels::FrozenWeight> read_4bit(const StoredWeight& weight);

// LibTorch's type of stored values; none where weights cannot have that type.
std::optional<at::ScalarType> weight_type(DType dtype);

// The values [..] in weight.dtype: borrowed when they are plain, else computed.
at::Tensor stored_values(const StoredWeight& weight);

}  // namespace slmtune::models
