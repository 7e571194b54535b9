// Numbers that are fixed for the whole run, and the micro-batches of each step.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/loader.h"
#include "data/packer.h"
#include "train/train_config.h"

namespace slmtune::train {

// What a step has train.batch_rows of: rows, or pairs of rows that belong together (preference).
int64_t row_count(const data::Dataset& train);

// Optimiser steps that `config` asks for with `rows` training rows: an epoch has ceil(rows /
// batch_rows) steps (its last batch may be smaller), the run ceil(epochs · that), at most
// max_steps.
int64_t total_steps(const TrainConfig& config, int64_t rows);

struct RunPlan {
  int64_t rows = 0, steps_per_epoch = 0, total = 0, warmup = 0;
  int64_t micro_batch_tokens = 0;
  int64_t valid_every = 0;  // steps; 0 = only at the end
  bool pack = true;
  data::Deal deal = {};  // this process's part of every step
};

RunPlan make_plan(const data::Dataset& train, const TrainConfig& config, const EvalConfig& eval,
                  bool pack, bool on_cpu);

// Rows and micro-batches of each step, from the permutation of its epoch. Steps depend on nothing
// but their number, so a resumed run has the same ones.
class StepBatches {
 public:
  // Both must outlive this.
  StepBatches(const data::Dataset& train, const RunPlan& plan, const TrainConfig& config)
      : train_(train), plan_(plan), config_(config) {}

  // Valid until the next call.
  std::span<const uint64_t> rows_of(int64_t step);
  std::vector<data::MicroBatch> of(int64_t step);

 private:
  const data::Dataset& train_;
  const RunPlan& plan_;
  const TrainConfig& config_;
  std::vector<uint64_t> order_;
  int64_t epoch_ = -1;
};

// Some rows of `dataset` in micro-batches: this process's part of them.
std::vector<data::MicroBatch> batches_of(const data::Dataset& dataset, const RunPlan& plan,
                                         std::span<const uint64_t> rows);

}  // namespace slmtune::train
