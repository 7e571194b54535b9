// What a training objective decides: the loss of a micro-batch, and what is measured beside it.
// Everything else (steps, clipping, checkpoints, validation, stopping) is the same for all of them
// and lives in train/loop.h. Objectives: sft.cpp, dpo.cpp, kto.cpp.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/packer.h"
#include "train/run_plan.h"

namespace slmtune::train {

enum class Part { kTrain, kValid };  // which rows of the job

using ShouldStop = std::function<bool()>;

using NamedNumbers = std::vector<std::pair<std::string, double>>;

struct BatchLoss {
  at::Tensor sum;      // scalar, with gradient to what trains unless grad mode is off
  int64_t count = 0;   // what the loss of a step is the mean of: label tokens, pairs or rows
  at::Tensor metrics;  // [K] float64 sums for metrics(), no gradient; undefined: none
};

class Objective {
 public:
  virtual ~Objective() = default;

  // Objectives see to it themselves that what they measure beside loss() is the same on all ranks of
  // TrainJob::ranks; loss() is this rank's alone. All ranks call prepare() and begin() together.

  // Before step 1, with the model as it was loaded and no checkpoint in it yet. False when asked to
  // stop.
  virtual bool prepare(const RunPlan&, const ShouldStop&) { return true; }

  // Before the micro-batches of a step, or of a validation, which go through `rows` of `part`: those
  // of all ranks. False when one of them was asked to stop.
  virtual bool begin(Part, std::span<const uint64_t>, const ShouldStop&) { return true; }

  virtual BatchLoss loss(Part part, const data::MicroBatch& batch) = 0;

  // Length K of BatchLoss::metrics.
  virtual int64_t metric_count() const { return 0; }

  // Numbers for the log from the sums over all micro-batches of a step or a validation.
  virtual NamedNumbers metrics(const at::Tensor& /*sums*/, int64_t /*count*/) const { return {}; }
};

}  // namespace slmtune::train
