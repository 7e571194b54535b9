// Cross-entropy over label tokens only. Logits are made in chunks, in one buffer that also becomes
// their gradient: logits of more than one chunk never exist.
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
// All of them reach a GPU in one copy out of pinned memory, which is not waited for.
BatchTensors to_tensors(const data::MicroBatch& batch, at::Device device);

// −log p(target) of every label token [N] in float32 (float64 for a float64 model), with gradient
// to every tensor that requires it unless grad mode is off; for objectives that weigh tokens or
// rows. At most `chunk` rows of logits exist at a time, fewer on the CPU, where the buffer has to
// fit the cache. A frozen head's part of the gradient is made in the forward pass, so no logits
// wait for backward and none is made twice; with a head that trains, the backward pass makes them
// again.
at::Tensor token_losses(models::CausalLM& model, const BatchTensors& batch, int64_t chunk);

// Their sum: a scalar. Also the gradient of a head that trains is made in the forward pass. N = 0
// gives 0 with no gradient.
at::Tensor loss_sum(models::CausalLM& model, const BatchTensors& batch, int64_t chunk);

}  // namespace slmtune::train
