// Direct Preference Optimization (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290): of two
// answers to a question the model learns to prefer the better one, held to the model that the run
// starts from.
#pragma once
#include <ATen/core/Tensor.h>

#include "train/loop.h"

namespace slmtune::train {

// −(1−ε)·log σ(m) − ε·log σ(−m) for each margin m = β·(log-ratio of the chosen answer − that of the
// rejected one), where a log-ratio is log p under the model − log p under the reference. ε =
// `label_smoothing` is the share of pairs taken to be the wrong way round (cDPO). Any shape.
at::Tensor dpo_losses(const at::Tensor& margins, double label_smoothing);

// Trains on rows that are pairs. The loss of a step is the mean over its pairs; the log has
// reward_chosen, reward_rejected (β·log-ratios), reward_margin and reward_accuracy (share of pairs
// whose better answer has the higher reward).
TrainResult run_dpo(const TrainJob& job);

}  // namespace slmtune::train
