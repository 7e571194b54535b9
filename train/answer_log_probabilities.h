// How likely the model finds whole answers, for objectives that compare them.
//
//   at::Tensor policy = answer_log_probabilities(model, batch, 1024);  // [R] with gradient
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/packer.h"
#include "models/causal_lm.h"

namespace slmtune::train {

// For each of the R rows of `batch` the sum of log p over its label tokens: [R] in float64, with
// gradient as token_losses() (train/loss.h), which makes at most `chunk` rows of logits at a time.
at::Tensor answer_log_probabilities(models::CausalLM& model, const data::MicroBatch& batch,
                                    int64_t chunk);

}  // namespace slmtune::train
