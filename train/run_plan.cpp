#include "train/run_plan.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "train/schedule.h"

namespace slmtune::train {
namespace {

int64_t steps_per_epoch(const TrainConfig& config, int64_t rows) {
  return (rows + config.batch_rows - 1) / config.batch_rows;
}

// Rows of the dataset that one of row_count() stands for.
uint64_t rows_together(const data::Dataset& train) {
  return train.rows.size() > 1 && train.rows.goes_on(1) ? 2 : 1;
}

}  // namespace

int64_t row_count(const data::Dataset& train) {
  return static_cast<int64_t>(train.rows.size() / rows_together(train));
}

int64_t total_steps(const TrainConfig& config, int64_t rows) {
  double asked = config.epochs * static_cast<double>(steps_per_epoch(config, rows));
  // 0.1 · 30 is a little above 3 in binary; that is 3 steps, not 4.
  int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(asked - 1e-6)));
  return config.max_steps ? std::min(steps, *config.max_steps) : steps;
}

RunPlan make_plan(const data::Dataset& train, const TrainConfig& config, const EvalConfig& eval,
                  bool pack, bool on_cpu) {
  RunPlan plan{.rows = row_count(train), .pack = pack};
  SLMTUNE_ASSERT(plan.rows > 0, "the loader refuses data without rows");
  plan.steps_per_epoch = steps_per_epoch(config, plan.rows);
  plan.total = total_steps(config, plan.rows);
  plan.warmup = warmup_steps(config.warmup, plan.total);
  int64_t longest = 1024;
  for (size_t row = 0; row < train.rows.size(); ++row) {
    const int64_t before = train.rows.goes_on(row) ? train.rows.length(row - 1) : 0;
    longest = std::max(longest, before + train.rows.length(row));
  }
  // A GPU wants wide matrices; on the CPU small micro-batches stay in the cache.
  int64_t automatic = on_cpu ? longest : std::max<int64_t>(longest, 4096);
  plan.micro_batch_tokens = config.micro_batch_tokens.value_or(automatic);
  double every = eval.every * static_cast<double>(plan.steps_per_epoch);
  if (eval.every > 0.0) plan.valid_every = std::max<int64_t>(1, std::llround(every));
  return plan;
}

std::span<const uint64_t> StepBatches::rows_of(int64_t step) {
  const uint64_t together = rows_together(train_);
  int64_t epoch = step / plan_.steps_per_epoch;
  if (epoch != epoch_) {
    order_.clear();
    for (uint64_t row : data::epoch_order(static_cast<uint64_t>(plan_.rows), config_.seed, epoch))
      for (uint64_t part = 0; part < together; ++part) order_.push_back(row * together + part);
  }
  epoch_ = epoch;
  int64_t first = step % plan_.steps_per_epoch * config_.batch_rows;
  int64_t count = std::min(config_.batch_rows, plan_.rows - first);
  return std::span(order_).subspan(static_cast<size_t>(first) * together,
                                   static_cast<size_t>(count) * together);
}

std::vector<data::MicroBatch> StepBatches::of(int64_t step) {
  std::vector<data::MicroBatch> batches =
      data::pack(train_.rows, rows_of(step), plan_.micro_batch_tokens, plan_.pack, plan_.deal);
  // While this step computes, the system reads the rows of the next one from the disk.
  if ((step + 1) % plan_.steps_per_epoch != 0) train_.rows.prefetch(rows_of(step + 1));
  return batches;
}

std::vector<data::MicroBatch> batches_of(const data::Dataset& dataset, const RunPlan& plan,
                                         std::span<const uint64_t> rows) {
  return data::pack(dataset.rows, rows, plan.micro_batch_tokens, plan.pack, plan.deal);
}

}  // namespace slmtune::train
