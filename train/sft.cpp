#include "train/sft.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "core/error.h"
#include "core/log.h"
#include "core/seed.h"
#include "core/text.h"
#include "lora/attach.h"
#include "train/loss.h"
#include "train/schedule.h"

namespace slmtune::train {
namespace {

constexpr int kMaxBadSteps = 3;

// Numbers that are fixed for the whole run.
struct Plan {
  int64_t rows = 0, steps_per_epoch = 0, total = 0, warmup = 0;
  int64_t micro_batch_tokens = 0;
  int64_t valid_every = 0;  // steps; 0 = only at the end
};

int64_t steps_per_epoch(const TrainConfig& config, int64_t rows) {
  return (rows + config.batch_rows - 1) / config.batch_rows;
}

Plan make_plan(const SftJob& job) {
  Plan plan;
  plan.rows = static_cast<int64_t>(job.train->rows.size());
  SLMTUNE_ASSERT(plan.rows > 0, "the loader refuses data without rows");
  plan.steps_per_epoch = steps_per_epoch(job.config, plan.rows);
  plan.total = total_steps(job.config, plan.rows);
  plan.warmup = warmup_steps(job.config.warmup, plan.total);
  int64_t longest = 1024;
  for (const data::Tokens& row : job.train->rows)
    longest = std::max(longest, static_cast<int64_t>(row.ids.size()));
  // A GPU wants wide matrices; on the CPU small micro-batches stay in the cache.
  int64_t automatic = job.model->device.is_cpu() ? longest : std::max<int64_t>(longest, 4096);
  plan.micro_batch_tokens = job.config.micro_batch_tokens.value_or(automatic);
  double every = job.eval.every * static_cast<double>(plan.steps_per_epoch);
  if (job.eval.every > 0.0) plan.valid_every = std::max<int64_t>(1, std::llround(every));
  return plan;
}

// Rows of each step, from the permutation of its epoch.
class DataOrder {
 public:
  DataOrder(const Plan& plan, const TrainConfig& config) : plan_(plan), config_(config) {}

  std::span<const uint64_t> rows_of(int64_t step) {
    int64_t epoch = step / plan_.steps_per_epoch;
    if (epoch != epoch_)
      order_ = data::epoch_order(static_cast<uint64_t>(plan_.rows), config_.seed, epoch);
    epoch_ = epoch;
    int64_t first = step % plan_.steps_per_epoch * config_.batch_rows;
    int64_t count = std::min(config_.batch_rows, plan_.rows - first);
    return std::span(order_).subspan(static_cast<size_t>(first), static_cast<size_t>(count));
  }

 private:
  const Plan& plan_;
  const TrainConfig& config_;
  std::vector<uint64_t> order_;
  int64_t epoch_ = -1;
};

struct StepSums {
  double loss = 0.0;  // sum over label tokens
  int64_t tokens = 0, label_tokens = 0;
};

bool asked_to_stop(const SftJob& job) { return job.should_stop && job.should_stop(); }

// Forward and backward over the rows of one step; gradients add up in the parameters. None when asked to stop.
std::optional<StepSums> accumulate(const SftJob& job, const Plan& plan,
                                   std::span<const uint64_t> rows) {
  StepSums sums;
  at::Tensor loss = at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(job.model->device));
  for (const data::MicroBatch& batch :
       data::pack(job.train->rows, rows, plan.micro_batch_tokens, job.pack)) {
    if (asked_to_stop(job)) return std::nullopt;
    at::Tensor batch_loss =
        loss_sum(*job.model, to_tensors(batch, job.model->device), job.config.loss_chunk);
    if (batch_loss.requires_grad()) batch_loss.backward();
    loss.add_(batch_loss.detach());
    sums.tokens += static_cast<int64_t>(batch.ids.size());
    sums.label_tokens += batch.trained;
  }
  sums.loss = loss.item<double>();
  return sums;
}

// Mean loss over the label tokens of the validation rows. None when asked to stop.
std::optional<double> validate(const SftJob& job, const Plan& plan) {
  at::NoGradGuard no_gradient;
  lora::set_training(*job.model, false);
  std::vector<uint64_t> rows(job.valid->rows.size());
  std::iota(rows.begin(), rows.end(), uint64_t{0});
  double loss = 0.0;
  int64_t label_tokens = 0;
  for (const data::MicroBatch& batch :
       data::pack(job.valid->rows, rows, plan.micro_batch_tokens, job.pack)) {
    if (asked_to_stop(job)) return std::nullopt;
    BatchTensors tensors = to_tensors(batch, job.model->device);
    loss += loss_sum(*job.model, tensors, job.config.loss_chunk).item<double>();
    label_tokens += batch.trained;
  }
  return label_tokens ? loss / static_cast<double>(label_tokens) : 0.0;
}

double epoch_of(const Plan& plan, int64_t step) {
  return static_cast<double>(step) / static_cast<double>(plan.steps_per_epoch);
}

void record_validation(const SftJob& job, const Plan& plan, double loss, TrainState& state) {
  state.valid_loss = loss;
  state.valid_step = state.step;
  if (std::isfinite(loss)) state.best_valid_loss = std::min(loss, state.best_valid_loss.value_or(loss));
  job.run->log(state.step, {{"step", state.step},
                            {"epoch", epoch_of(plan, state.step)},
                            {"valid_loss", loss}});
  log_info(fmt::format("step {}/{}: validation loss {:.4f}", state.step, plan.total, loss));
}

bool validation_is_due(const SftJob& job, const Plan& plan, const TrainState& state, bool last) {
  if (!job.valid || state.valid_step == state.step) return false;
  return last || (plan.valid_every && state.step > 0 && state.step % plan.valid_every == 0);
}

// One line of log.jsonl and the progress line.
struct StepReport {
  double loss = 0.0, learning_rate = 0.0, grad_norm = 0.0, seconds = 0.0;
  bool skipped = false;
};

void report(const SftJob& job, const Plan& plan, const TrainState& state, const StepSums& sums,
            const StepReport& step, double speed, ProgressLine& line) {
  OrderedJson record = {{"step", state.step},
                        {"epoch", epoch_of(plan, state.step)},
                        {"loss", step.loss},
                        {"learning_rate", step.learning_rate},
                        {"grad_norm", step.grad_norm},
                        {"tokens", sums.tokens},
                        {"label_tokens", sums.label_tokens},
                        {"tokens_per_second", static_cast<double>(sums.tokens) / step.seconds},
                        {"seconds", state.seconds}};
  if (step.skipped) record["skipped"] = true;
  job.run->log(state.step, record);
  double per_step = state.seconds / static_cast<double>(state.step);
  line.show(fmt::format("step {}/{}  loss {:.4f}  lr {:.2e}  grad norm {:.3f}  {:.0f} tokens/s  ETA {}",
                        state.step, plan.total, step.loss, step.learning_rate, step.grad_norm, speed,
                        human_seconds(per_step * static_cast<double>(plan.total - state.step))));
}

[[noreturn]] void throw_diverged(const SftJob& job, const TrainState& state) {
  throw UserError("T001", job.run->path().string(),
                  fmt::format("training diverged: the loss or gradient was not finite up to step {} "
                              "({} steps skipped)",
                              state.step, state.skipped_steps),
                  "lower train.learning_rate, raise train.warmup or look at the data near that step");
}

// Training time over all parts of the run, and speed over this part.
struct Clock {
  double before = 0.0, started = now_seconds(), training = 0.0;
  int64_t tokens = 0;
  double total() const { return before + now_seconds() - started; }
  double speed() const { return training > 0.0 ? static_cast<double>(tokens) / training : 0.0; }
};

// The update of one step. A step whose loss or gradient is not finite changes nothing and is counted.
StepReport update(const SftJob& job, const Plan& plan, AdamW& optimizer, const StepSums& sums,
                  TrainState& state) {
  StepReport step;
  step.learning_rate =
      job.config.learning_rate *
      learning_rate_factor(job.config.schedule, state.step, plan.warmup, plan.total);
  double scale = 1.0 / static_cast<double>(std::max<int64_t>(1, sums.label_tokens));
  step.loss = sums.loss * scale;
  step.grad_norm = std::nan("");
  if (std::isfinite(step.loss))
    step.grad_norm = optimizer.step(step.learning_rate, scale, job.config.clip_norm);
  optimizer.zero_grad();
  step.skipped = !std::isfinite(step.grad_norm);
  ++state.step;
  state.tokens_seen += sums.tokens;
  if (step.skipped) {
    ++state.skipped_steps;
  } else {
    if (!state.first_loss) state.first_loss = step.loss;
    state.last_loss = step.loss;
  }
  return step;
}

SftResult make_result(const Plan& plan, const TrainState& state, const Clock& clock,
                      const std::string& ended) {
  SftResult result;
  result.state = state;
  result.total_steps = plan.total;
  result.first_loss = state.first_loss.value_or(0.0);
  result.last_loss = state.last_loss.value_or(0.0);
  if (ended != "stopped") result.valid_loss = state.valid_loss;
  result.tokens_per_second = clock.speed();
  result.ended = ended;
  return result;
}

}  // namespace

int64_t total_steps(const TrainConfig& config, int64_t rows) {
  double asked = config.epochs * static_cast<double>(steps_per_epoch(config, rows));
  // 0.1 · 30 is a little above 3 in binary; that is 3 steps, not 4.
  int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(asked - 1e-6)));
  return config.max_steps ? std::min(steps, *config.max_steps) : steps;
}

SftResult run_sft(const SftJob& job) {
  const Plan plan = make_plan(job);
  const uint64_t dropout_seed = derive_seed(job.config.seed, "dropout");
  AdamW optimizer(models::trainable_tensors(*job.model), job.config);
  TrainState state;
  if (job.resume_from) {
    state = load_checkpoint(*job.resume_from, *job.model, optimizer, job.identity);
    job.run->rewind(state.step);
  }
  state.identity = job.identity;
  Clock clock{.before = state.seconds};
  DataOrder order(plan, job.config);
  ProgressLine line;
  std::string ended;
  double last_saved = now_seconds();
  int bad_steps = 0;  // in a row

  while (ended.empty()) {
    // Between steps: is this the end, is it time to validate, to save?
    const bool out_of_time =
        job.config.max_minutes && state.step > 0 && clock.total() >= *job.config.max_minutes * 60.0;
    const bool last = state.step >= plan.total || out_of_time;
    if (validation_is_due(job, plan, state, last)) {
      std::optional<double> loss = validate(job, plan);
      if (loss) record_validation(job, plan, *loss, state);
      else ended = "stopped";
    }
    if (last && ended.empty()) ended = state.step >= plan.total ? "done" : "max_minutes";
    if (!ended.empty()) break;
    if (now_seconds() - last_saved >= job.config.save_minutes * 60.0 && bad_steps == 0) {
      save_checkpoint(job.run->path(), *job.model, optimizer, state);
      last_saved = now_seconds();
    }

    // One optimiser step. Its random numbers depend on its number alone, so a resumed run draws the same ones.
    const double step_started = now_seconds();
    std::span<const uint64_t> rows = order.rows_of(state.step);
    at::manual_seed(dropout_seed + static_cast<uint64_t>(state.step));
    lora::set_training(*job.model, true);
    std::optional<StepSums> sums = accumulate(job, plan, rows);
    if (!sums) {
      optimizer.zero_grad();
      ended = "stopped";
      break;
    }
    StepReport step = update(job, plan, optimizer, *sums, state);
    state.rows_seen += static_cast<int64_t>(rows.size());
    state.seconds = clock.total();
    step.seconds = std::max(1e-9, now_seconds() - step_started);
    clock.training += step.seconds;
    clock.tokens += sums->tokens;
    report(job, plan, state, *sums, step, clock.speed(), line);
    bad_steps = step.skipped ? bad_steps + 1 : 0;
    if (bad_steps == kMaxBadSteps) throw_diverged(job, state);
  }

  lora::set_training(*job.model, false);
  if (ended != "stopped" && state.skipped_steps == state.step) throw_diverged(job, state);
  if (state.step > 0) save_checkpoint(job.run->path(), *job.model, optimizer, state);
  line.finish(fmt::format("step {}/{}  loss {:.4f}  {}  {:.0f} tokens/s", state.step, plan.total,
                          state.last_loss.value_or(0.0), human_seconds(clock.total()), clock.speed()));
  return make_result(plan, state, clock, ended);
}

}  // namespace slmtune::train
