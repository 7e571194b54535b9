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

bool asked_to_stop(const SftJob& job) {
  return job.should_stop && job.should_stop();
}

// Training time over all parts of the run, and speed over this part.
struct Clock {
  double before = 0.0, started = now_seconds(), training = 0.0;
  int64_t tokens = 0;
  double total() const { return before + now_seconds() - started; }
  double speed() const { return training > 0.0 ? static_cast<double>(tokens) / training : 0.0; }
};

// A run while it goes on.
struct Run {
  explicit Run(const SftJob& a_job)
      : job(a_job),
        plan(make_plan(job)),
        optimizer(models::trainable_tensors(*job.model), job.config),
        order(plan, job.config) {}

  double epoch() const {
    return static_cast<double>(state.step) / static_cast<double>(plan.steps_per_epoch);
  }

  const SftJob& job;
  const Plan plan;
  AdamW optimizer;
  DataOrder order;
  TrainState state;
  Clock clock;
  ProgressLine line;
  double last_saved = now_seconds();
  int64_t saves = 0;
  double save_seconds = 0.0;
};

// What one optimiser step did.
struct Step {
  double loss = 0.0;  // sum over label tokens, then the mean
  int64_t rows = 0, tokens = 0, label_tokens = 0;
  double learning_rate = 0.0, grad_norm = 0.0, seconds = 0.0;
  bool skipped = false;
};

// Forward and backward over the rows of one step; gradients add up in the parameters. None when
// asked to stop.
std::optional<Step> accumulate(const SftJob& job, const Plan& plan,
                               std::span<const uint64_t> rows) {
  Step step{.rows = static_cast<int64_t>(rows.size())};
  at::Tensor loss = at::zeros({}, at::device(job.model->device).dtype(at::kDouble));
  for (const data::MicroBatch& batch :
       data::pack(job.train->rows, rows, plan.micro_batch_tokens, job.pack)) {
    if (asked_to_stop(job)) return std::nullopt;
    at::Tensor batch_loss =
        loss_sum(*job.model, to_tensors(batch, job.model->device), job.config.loss_chunk);
    if (batch_loss.requires_grad()) batch_loss.backward();
    loss.add_(batch_loss.detach());
    step.tokens += static_cast<int64_t>(batch.ids.size());
    step.label_tokens += batch.trained;
  }
  step.loss = loss.item<double>();
  return step;
}

// Divides by the label tokens of the whole step, clips and updates. A step whose loss or gradient
// is not finite changes nothing.
void update(Run& run, Step& step) {
  const TrainConfig& config = run.job.config;
  step.learning_rate = config.learning_rate * learning_rate_factor(config.schedule, run.state.step,
                                                                   run.plan.warmup, run.plan.total);
  const double scale = 1.0 / static_cast<double>(std::max<int64_t>(1, step.label_tokens));
  step.loss *= scale;
  step.grad_norm = std::nan("");
  if (std::isfinite(step.loss))
    step.grad_norm = run.optimizer.step(step.learning_rate, scale, config.clip_norm);
  run.optimizer.zero_grad();
  step.skipped = !std::isfinite(step.grad_norm);
}

// Mean loss over the label tokens of the validation rows. None when asked to stop.
std::optional<double> validation_loss(const SftJob& job, const Plan& plan) {
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

void save(Run& run) {
  if (run.state.step == 0) return;
  const double started = now_seconds();
  run.state.seconds = run.clock.total();
  run.job.run->sync_log();
  save_checkpoint(run.job.run->path(), *run.job.model, run.optimizer, run.state);
  run.last_saved = now_seconds();
  ++run.saves;
  run.save_seconds += run.last_saved - started;
}

// Validates when it is due after the steps done so far. False when asked to stop in its middle.
bool validate_if_due(Run& run, bool last) {
  TrainState& state = run.state;
  const int64_t every = run.plan.valid_every;
  const bool due = last || (every && state.step > 0 && state.step % every == 0);
  if (!run.job.valid || !due || state.valid_step == state.step) return true;
  std::optional<double> loss = validation_loss(run.job, run.plan);
  if (!loss) return false;
  state.valid_loss = *loss;
  state.valid_step = state.step;
  const bool is_best = std::isfinite(*loss) && *loss < state.best_valid_loss.value_or(HUGE_VAL);
  if (is_best) {
    state.best_valid_loss = *loss;
    state.best_valid_step = state.step;
  }
  run.job.run->log(state.step,
                   {{"step", state.step}, {"epoch", run.epoch()}, {"valid_loss", *loss}});
  log_info(fmt::format("step {}/{}: validation loss {:.4f}", state.step, run.plan.total, *loss));
  if (is_best && !last) save(run);
  return true;
}

void count(Run& run, const Step& step) {
  ++run.state.step;
  run.state.rows_seen += step.rows;
  run.state.tokens_seen += step.tokens;
  run.state.seconds = run.clock.total();
  run.clock.training += step.seconds;
  run.clock.tokens += step.tokens;
  run.state.bad_steps = step.skipped ? run.state.bad_steps + 1 : 0;
  if (step.skipped) {
    ++run.state.skipped_steps;
    return;
  }
  if (!run.state.first_loss) run.state.first_loss = step.loss;
  run.state.last_loss = step.loss;
}

// A line of log.jsonl and the progress line.
void report(Run& run, const Step& step) {
  const TrainState& state = run.state;
  OrderedJson record = {{"step", state.step},
                        {"epoch", run.epoch()},
                        {"loss", step.loss},
                        {"learning_rate", step.learning_rate},
                        {"grad_norm", step.grad_norm},
                        {"tokens", step.tokens},
                        {"label_tokens", step.label_tokens},
                        {"tokens_per_second", static_cast<double>(step.tokens) / step.seconds},
                        {"seconds", state.seconds}};
  if (step.skipped) record["skipped"] = true;
  run.job.run->log(state.step, record);
  const double per_step = state.seconds / static_cast<double>(state.step);
  const double left = per_step * static_cast<double>(run.plan.total - state.step);
  run.line.show(
      fmt::format("step {}/{}  loss {:.4f}  lr {:.2e}  grad norm {:.3f}  {:.0f} tokens/s  ETA {}",
                  state.step, run.plan.total, step.loss, step.learning_rate, step.grad_norm,
                  run.clock.speed(), human_seconds(left)));
}

// One optimiser step. False when asked to stop: nothing of the step remains.
bool train_step(Run& run, uint64_t dropout_seed) {
  const double started = now_seconds();
  // Random numbers depend on the step's number alone, so a resumed run draws the same ones.
  at::manual_seed(dropout_seed + static_cast<uint64_t>(run.state.step));
  lora::set_training(*run.job.model, true);
  std::optional<Step> step = accumulate(run.job, run.plan, run.order.rows_of(run.state.step));
  if (!step) {
    run.optimizer.zero_grad();
    return false;
  }
  update(run, *step);
  step->seconds = std::max(1e-9, now_seconds() - started);
  count(run, *step);
  report(run, *step);
  return true;
}

[[noreturn]] void throw_diverged(const Run& run) {
  throw UserError(
      "T001", run.job.run->path().string(),
      fmt::format("training diverged: the loss or gradient was not finite up to step {} ({} of its "
                  "steps were skipped)",
                  run.state.step, run.state.skipped_steps),
      "lower train.learning_rate, raise train.warmup or look at the data near that step");
}

SftResult make_result(const Run& run, const std::string& ended) {
  SftResult result;
  result.state = run.state;
  result.total_steps = run.plan.total;
  result.first_loss = run.state.first_loss.value_or(0.0);
  result.last_loss = run.state.last_loss.value_or(0.0);
  if (ended != "stopped") result.valid_loss = run.state.valid_loss;
  result.tokens_per_second = run.clock.speed();
  result.saves = run.saves;
  result.save_seconds = run.save_seconds;
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
  const uint64_t dropout_seed = derive_seed(job.config.seed, "dropout");
  const double limit_seconds = job.config.max_minutes.value_or(1e12) * 60.0;
  const double save_seconds = job.config.save_minutes * 60.0;
  Run run(job);
  if (job.resume_from) {
    run.state = load_checkpoint(*job.resume_from, *job.model, run.optimizer, job.identity);
    run.clock.before = run.state.seconds;
    job.run->rewind(run.state.step, run.state.valid_step == run.state.step);
  } else if (job.start_from) {
    load_weights(*job.start_from, *job.model, run.optimizer);
  }
  run.state.identity = job.identity;

  std::string ended;
  while (ended.empty()) {
    const bool done = run.state.step >= run.plan.total;
    const bool last = done || (run.state.step > 0 && run.clock.total() >= limit_seconds);
    if (!validate_if_due(run, last)) {
      ended = "stopped";
    } else if (last) {
      ended = done ? "done" : "max_minutes";
    } else {
      // Not in a row of bad steps: what led to it may already be in the weights.
      if (now_seconds() - run.last_saved >= save_seconds && run.state.bad_steps == 0) save(run);
      if (!train_step(run, dropout_seed)) ended = "stopped";
      if (run.state.bad_steps == kMaxBadSteps) throw_diverged(run);
    }
  }

  lora::set_training(*job.model, false);
  if (ended != "stopped" && run.state.skipped_steps == run.state.step) throw_diverged(run);
  save(run);
  run.line.finish(fmt::format("step {}/{}  loss {:.4f}  {}  {:.0f} tokens/s", run.state.step,
                              run.plan.total, run.state.last_loss.value_or(0.0),
                              human_seconds(run.clock.total()), run.clock.speed()));
  return make_result(run, ended);
}

}  // namespace slmtune::train
