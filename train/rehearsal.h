// The largest micro-batch that a run will meet, tried before step 1: what fits then fits in every
// step, and nobody finds a run dead in the morning.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "data/rows.h"
#include "models/causal_lm.h"
#include "train/memory_plan.h"
#include "train/objective.h"
#include "train/run_plan.h"

namespace slmtune::train {

RowLengths row_lengths(const data::Rows& rows, int64_t batch_rows);

// Rows of one micro-batch of at most `budget` tokens (the longest row may be above it): the longest
// ones that fit, at most `batch_rows` of them. Without `pack` the longest alone.
std::vector<uint64_t> largest_batch(const data::Rows& rows, int64_t batch_rows, int64_t budget,
                                    bool pack);

struct Rehearsal {
  int64_t tokens = 0;  // of the micro-batch
  uint64_t peak = 0;   // most memory that training held, bytes
};

// The most memory that training has held since restart_training_peak(), where the system allows
// that, else since the process began; bytes. On the CPU the process's own memory. On a GPU what
// LibTorch's tensors took, and what CUDA takes beside them as the plan counts it.
uint64_t training_peak(at::Device device);
void restart_training_peak(at::Device device);

// Forward and backward pass over largest_batch() of the training rows, by a model on `device`.
// Gradients are left in the parameters, for the caller to clear; nothing else changes. None when
// asked to stop.
std::optional<Rehearsal> rehearse(Objective& objective, const data::Rows& rows, const RunPlan& plan,
                                  int64_t batch_rows, at::Device device,
                                  const ShouldStop& should_stop);

}  // namespace slmtune::train
