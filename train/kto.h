// Kahneman-Tversky Optimization (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306): answers
// with a thumb up become likelier and those with a thumb down less likely, measured against how far
// the model has moved as a whole.
#pragma once
#include <ATen/core/Tensor.h>

#include "data/rows.h"
#include "train/loop.h"

namespace slmtune::train {

struct KtoSettings {
  double beta = 0.1;
  double desirable_weight = 1.0, undesirable_weight = 1.0;
};

// For each log-ratio r [R] (log p under the model − log p under the reference): weight·(1 −
// σ(β·(r − kl))) where `is_good`, else weight·(1 − σ(β·(kl − r))). `kl` is a scalar ≥ 0 without
// gradient.
at::Tensor kto_losses(const at::Tensor& log_ratios, const at::Tensor& is_good, double kl,
                      const KtoSettings& settings);

// Each row's question with the answer of the row before it (the first with that of the last), cut
// to the longest of `rows`: what the model says to a question whose answer has nothing to do with
// it.
data::Rows mismatched_rows(const data::Rows& rows);

// Trains on rows with votes. The loss of a step is the mean over its rows. kl is the mean log-ratio
// of the step's mismatched rows, at least 0: an estimate over the whole step, not over a
// micro-batch. The log has reward_chosen, reward_rejected (means of β·log-ratios over the rows with
// a thumb up and down, where there are any), reward_margin and kl.
TrainResult run_kto(const TrainJob& job);

}  // namespace slmtune::train
