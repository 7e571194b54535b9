// The parts of a training run while it goes on, for the files of the loop (loop.cpp,
// run_report.cpp, out_of_memory.cpp).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/log.h"
#include "core/seed.h"
#include "kernels/device_meter.h"
#include "train/embedding_noise.h"
#include "train/loop.h"
#include "train/next_batches.h"
#include "train/out_of_memory.h"
#include "train/sent_numbers.h"

namespace slmtune::train {

// Training time over all parts of the run, and speed over this part.
struct Clock {
  double before = 0.0, started = now_seconds(), training = 0.0;
  TokensDone done;
  double total() const { return before + now_seconds() - started; }
  double speed() const {
    return training > 0.0 ? static_cast<double>(done.tokens) / training : 0.0;
  }
};

// Sums over the micro-batches of a step or a validation.
struct Sums {
  at::Tensor loss_there;  // float64 scalar where the model is
  double loss = 0.0;      // once it is read
  int64_t count = 0;      // what the loss is the mean of
  TokensDone done;
  at::Tensor metrics;
};

// What one optimiser step did.
struct Step {
  Sums sums = {};
  NamedNumbers metrics = {};
  double loss = 0.0;   // mean
  double scale = 1.0;  // 1 / count
  int64_t rows = 0;
  double learning_rate = 0.0, grad_norm = 0.0;
  double started = 0.0, seconds = 0.0;  // clock time, and time that the step took
  bool skipped = false;
  std::optional<SentNumbers> sent = {};  // sums on their way from the device
};

// A run while it goes on.
struct Run {
  Run(const TrainJob& a_job, Objective& an_objective)
      : job(a_job),
        ranks(*a_job.ranks),
        objective(an_objective),
        plan(make_plan(*job.train, job.config, job.eval, job.pack, job.model->device.is_cpu())),
        optimizer(make_optimizer(models::trainable_tensors(*job.model), job.config)),
        noise(*job.model, job.config.neftune_alpha),
        batches(*job.train, plan, job.config),
        packed(*job.train, job.config),
        device_meter(job.model->device),
        dropout_seed(derive_seed(job.config.seed, "dropout")) {
    plan.deal = {ranks.rank(), ranks.size()};
  }

  // Steps done, the one that is still computed on the device included.
  int64_t next_step() const { return state.step + (pending ? 1 : 0); }

  double epoch() const {
    return static_cast<double>(state.step) / static_cast<double>(plan.steps_per_epoch);
  }

  const TrainJob& job;
  collective::Collective& ranks;
  Objective& objective;
  RunPlan plan;  // its micro_batch_tokens may be halved
  const std::unique_ptr<Optimizer> optimizer;
  const EmbeddingNoise noise;
  StepBatches batches;
  NextBatches packed;
  TrainState state;
  std::optional<Step> pending;  // started, and not yet known how it went
  const bool reads_late = ranks.size() == 1 && job.reads_late.value_or(!job.model->device.is_cpu());
  double last_finished = 0.0;   // clock time of the step before
  Clock clock;
  ProgressLine line;
  double last_saved = now_seconds();
  int64_t saves = 0;
  double save_seconds = 0.0;
  std::optional<Rehearsal> rehearsal;
  kernels::DeviceMeter device_meter;
  double kwh_before = 0.0;  // of the GPU, in earlier parts of the run
  Tried tried;              // the micro-batch that is being computed
  const uint64_t dropout_seed;
};

}  // namespace slmtune::train
