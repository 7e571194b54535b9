// Supervised fine-tuning: the model learns to give the answers of the rows.
#pragma once
#include "train/loop.h"

namespace slmtune::train {

// The loss of a step is −log p of its label tokens, their mean over all its micro-batches.
TrainResult run_sft(const TrainJob& job);

}  // namespace slmtune::train
