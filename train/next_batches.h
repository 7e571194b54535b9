// The micro-batches of each step in turn. While a step computes, those of the next one are packed
// in another thread, which also reads their rows from the disk.
#pragma once
#include <cstdint>
#include <future>
#include <vector>

#include "train/run_plan.h"

namespace slmtune::train {

class NextBatches {
 public:
  // Both must outlive this, and rows stay as they are.
  NextBatches(const data::Dataset& train, const TrainConfig& config)
      : batches_(train, plan_, config) {}
  ~NextBatches();
  NextBatches(const NextBatches&) = delete;
  NextBatches& operator=(const NextBatches&) = delete;

  // As StepBatches::of(step), which they are; `plan` may change between calls. Errors of reading
  // rows come with the step that needs them.
  std::vector<data::MicroBatch> of(const RunPlan& plan, int64_t step);

  int64_t packed_before() const {
    return packed_before_;
  }  // steps whose batches were ready, or on the way

 private:
  struct Packed {
    int64_t step = 0, limit = 0;
    std::vector<data::MicroBatch> batches = {};
  };
  Packed pack(int64_t step);

  RunPlan plan_;  // as of the last call
  StepBatches batches_;
  std::future<Packed> next_;
  int64_t packed_before_ = 0;
};

}  // namespace slmtune::train
