// Cross-entropy over label tokens only, logits made in chunks so that at most `chunk` rows of them
// exist at a time.
//
//   BatchTensors tensors = to_tensors(micro_batch, model.device);
//   loss_sum(model, tensors, 1024).backward();
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/packer.h"
#include "models/causal_lm.h"

namespace slmtune::train {

// Device tensors of a micro-batch. `targets` are labels shifted left by one within each row.
struct BatchTensors {
  at::Tensor ids;  // [T] int64
  models::Layout layout;
  at::Tensor label_rows;  // [N] int64: places whose next token carries loss
  at::Tensor targets;     // [N] int64
};
BatchTensors to_tensors(const data::MicroBatch& batch, at::Device device);

// Sum over label tokens of −log p(target): a scalar in float32 (float64 for a float64 model), with
// gradient to every tensor that requires it unless grad mode is off. N = 0 gives 0 with no
// gradient. The gradient of the logits is formed chunk by chunk in the forward pass, so no logits
// wait for backward.
at::Tensor loss_sum(models::CausalLM& model, const BatchTensors& batch, int64_t chunk);

}  // namespace slmtune::train
