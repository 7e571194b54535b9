#include "train/loop.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>

#include "core/error.h"
#include "core/log.h"
#include "core/process_memory.h"
#include "core/seed.h"
#include "core/text.h"
#include "lora/attach.h"
#include "train/embedding_noise.h"
#include "train/schedule.h"

namespace slmtune::train {
namespace {

constexpr int kMaxBadSteps = 3;
// Validation rows that are in memory at a time; even, so that no pair is cut.
constexpr size_t kRowsAtOnce = 1024;

bool asked_to_stop(const TrainJob& job) {
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
  Run(const TrainJob& a_job, Objective& an_objective)
      : job(a_job),
        objective(an_objective),
        plan(make_plan(*job.train, job.config, job.eval, job.pack, job.model->device.is_cpu())),
        optimizer(make_optimizer(models::trainable_tensors(*job.model), job.config)),
        noise(*job.model, job.config.neftune_alpha),
        batches(*job.train, plan, job.config) {}

  double epoch() const {
    return static_cast<double>(state.step) / static_cast<double>(plan.steps_per_epoch);
  }

  const TrainJob& job;
  Objective& objective;
  const RunPlan plan;
  const std::unique_ptr<Optimizer> optimizer;
  const EmbeddingNoise noise;
  StepBatches batches;
  TrainState state;
  Clock clock;
  ProgressLine line;
  double last_saved = now_seconds();
  int64_t saves = 0;
  double save_seconds = 0.0;
  std::optional<Rehearsal> rehearsal;
};

// Sums over the micro-batches of a step or a validation.
struct Sums {
  double loss = 0.0;
  int64_t count = 0;  // what the loss is the mean of
  int64_t tokens = 0, label_tokens = 0;
  at::Tensor metrics;
};

// What one optimiser step did.
struct Step {
  Sums sums = {};
  NamedNumbers metrics = {};
  double loss = 0.0;  // mean
  int64_t rows = 0;
  double learning_rate = 0.0, grad_norm = 0.0, seconds = 0.0;
  bool skipped = false;
};

// Adds up the losses of the micro-batches; while training also their gradients, which add up in the
// parameters. False when asked to stop.
bool go_through(Run& run, Part part, std::span<const data::MicroBatch> batches, Sums& sums) {
  at::Tensor loss = at::zeros({}, at::device(run.job.model->device).dtype(at::kDouble));
  for (const data::MicroBatch& batch : batches) {
    if (asked_to_stop(run.job)) return false;
    BatchLoss one = run.objective.loss(part, batch);
    if (one.sum.requires_grad()) one.sum.backward();
    loss.add_(one.sum.detach());
    if (one.metrics.defined())
      sums.metrics = sums.metrics.defined() ? sums.metrics + one.metrics : one.metrics;
    sums.count += one.count;
    sums.tokens += static_cast<int64_t>(batch.ids.size());
    sums.label_tokens += batch.trained;
  }
  sums.loss += loss.item<double>();
  return true;
}

NamedNumbers metrics_of(const Run& run, const Sums& sums) {
  return sums.metrics.defined() ? run.objective.metrics(sums.metrics, sums.count) : NamedNumbers();
}

// Forward and backward over the rows of one step.
std::optional<Step> accumulate(Run& run) {
  const std::span<const uint64_t> rows = run.batches.rows_of(run.state.step);
  const ShouldStop stop = [&run] { return asked_to_stop(run.job); };
  if (!run.objective.begin(Part::kTrain, rows, stop)) return std::nullopt;
  Step step{.rows = static_cast<int64_t>(rows.size())};
  if (!go_through(run, Part::kTrain, run.batches.of(run.state.step), step.sums))
    return std::nullopt;
  step.metrics = metrics_of(run, step.sums);
  return step;
}

// Divides by the count of the whole step, clips and updates. A step whose loss or gradient
// is not finite changes nothing.
void update(Run& run, Step& step) {
  const TrainConfig& config = run.job.config;
  step.learning_rate = config.learning_rate * learning_rate_factor(config.schedule, run.state.step,
                                                                   run.plan.warmup, run.plan.total);
  const double scale = 1.0 / static_cast<double>(std::max<int64_t>(1, step.sums.count));
  step.loss = step.sums.loss * scale;
  step.grad_norm = std::nan("");
  if (std::isfinite(step.loss))
    step.grad_norm = run.optimizer->step(step.learning_rate, scale, config.clip_norm);
  run.optimizer->zero_grad();
  step.skipped = !std::isfinite(step.grad_norm);
}

// Mean loss over the validation rows. None when asked to stop.
std::optional<Sums> validate(Run& run) {
  at::NoGradGuard no_gradient;
  lora::set_training(*run.job.model, false);
  std::vector<uint64_t> rows(run.job.valid->rows.size());
  std::iota(rows.begin(), rows.end(), uint64_t{0});
  const ShouldStop stop = [&run] { return asked_to_stop(run.job); };
  if (!run.objective.begin(Part::kValid, rows, stop)) return std::nullopt;
  Sums sums;
  for (size_t first = 0; first < rows.size(); first += kRowsAtOnce) {
    const auto group = std::span(rows).subspan(first, std::min(kRowsAtOnce, rows.size() - first));
    if (!go_through(run, Part::kValid, batches_of(*run.job.valid, run.plan, group), sums))
      return std::nullopt;
  }
  return sums;
}

void save(Run& run) {
  if (run.state.step == 0) return;
  const double started = now_seconds();
  run.state.seconds = run.clock.total();
  run.job.run->sync_log();
  save_checkpoint(run.job.run->path(), *run.job.model, *run.optimizer, run.state);
  run.last_saved = now_seconds();
  ++run.saves;
  run.save_seconds += run.last_saved - started;
}

// Those that a JSON file can hold.
std::map<std::string, double> finite(const NamedNumbers& numbers) {
  std::map<std::string, double> kept;
  for (const auto& [name, value] : numbers)
    if (std::isfinite(value)) kept[name] = value;
  return kept;
}

void log_validation(Run& run, const Sums& sums, double loss) {
  TrainState& state = run.state;
  OrderedJson record = {{"step", state.step}, {"epoch", run.epoch()}, {"valid_loss", loss}};
  std::string text =
      fmt::format("step {}/{}: validation loss {:.4f}", state.step, run.plan.total, loss);
  const NamedNumbers metrics = metrics_of(run, sums);
  state.valid_metrics = finite(metrics);
  for (const auto& [name, value] : metrics) {
    record["valid_" + name] = value;
    text += fmt::format(", {} {:.4f}", name, value);
  }
  run.job.run->log(state.step, record);
  log_info(text);
}

// Validates when it is due after the steps done so far. False when asked to stop in its middle.
bool validate_if_due(Run& run, bool last) {
  TrainState& state = run.state;
  const int64_t every = run.plan.valid_every;
  const bool due = last || (every && state.step > 0 && state.step % every == 0);
  if (!run.job.valid || !due || state.valid_step == state.step) return true;
  const std::optional<Sums> sums = validate(run);
  if (!sums) return false;
  const double loss = sums->loss / static_cast<double>(std::max<int64_t>(1, sums->count));
  state.valid_loss = loss;
  state.valid_step = state.step;
  const bool is_best = std::isfinite(loss) && loss < state.best_valid_loss.value_or(HUGE_VAL);
  if (is_best) {
    state.best_valid_loss = loss;
    state.best_valid_step = state.step;
  }
  log_validation(run, *sums, loss);
  if (is_best && !last) save(run);
  return true;
}

void count(Run& run, const Step& step) {
  ++run.state.step;
  run.state.rows_seen += step.rows;
  run.state.tokens_seen += step.sums.tokens;
  run.state.seconds = run.clock.total();
  run.clock.training += step.seconds;
  run.clock.tokens += step.sums.tokens;
  run.state.bad_steps = step.skipped ? run.state.bad_steps + 1 : 0;
  if (step.skipped) {
    ++run.state.skipped_steps;
    return;
  }
  if (!run.state.first_loss) run.state.first_loss = step.loss;
  run.state.last_loss = step.loss;
  run.state.metrics = finite(step.metrics);
}

// A line of log.jsonl and the progress line.
void report(Run& run, const Step& step) {
  const TrainState& state = run.state;
  OrderedJson record = {{"step", state.step},
                        {"epoch", run.epoch()},
                        {"loss", step.loss},
                        {"learning_rate", step.learning_rate},
                        {"grad_norm", step.grad_norm},
                        {"tokens", step.sums.tokens},
                        {"label_tokens", step.sums.label_tokens},
                        {"tokens_per_second", static_cast<double>(step.sums.tokens) / step.seconds},
                        {"seconds", state.seconds}};
  for (const auto& [name, value] : step.metrics) record[name] = value;
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
  std::optional<Step> step = accumulate(run);
  if (!step) {
    run.optimizer->zero_grad();
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

// Model, optimiser and state as the checkpoint has them, if the run goes on from one.
void open_checkpoint(Run& run) {
  const TrainJob& job = run.job;
  if (job.resume_from) {
    run.state = load_checkpoint(*job.resume_from, *job.model, *run.optimizer, job.identity);
    run.clock.before = run.state.seconds;
    job.run->rewind(run.state.step, run.state.valid_step == run.state.step);
  } else if (job.start_from) {
    load_weights(*job.start_from, *job.model, *run.optimizer);
  }
  run.state.identity = job.identity;
}

// Tries the largest micro-batch; what comes after is as if it had not been. False when asked to
// stop.
bool rehearse(Run& run) {
  if (!run.job.on_rehearsal || run.state.step >= run.plan.total) return true;
  restart_peak_memory();  // where it is allowed: else loading counts, too
  lora::set_training(*run.job.model, true);
  run.rehearsal = rehearse(run.objective, run.job.train->rows, run.plan, run.job.config.batch_rows,
                           [&run] { return asked_to_stop(run.job); });
  run.optimizer->zero_grad();
  if (run.rehearsal) run.job.on_rehearsal(*run.rehearsal);
  return run.rehearsal.has_value();
}

// Steps, validations and checkpoints up to the end; why it ended.
std::string train_steps(Run& run) {
  const TrainConfig& config = run.job.config;
  const uint64_t dropout_seed = derive_seed(config.seed, "dropout");
  const double limit_seconds = config.max_minutes.value_or(1e12) * 60.0;
  const double save_seconds = config.save_minutes * 60.0;
  while (true) {
    const bool done = run.state.step >= run.plan.total;
    const bool last = done || (run.state.step > 0 && run.clock.total() >= limit_seconds);
    if (!validate_if_due(run, last)) return "stopped";
    if (last) return done ? "done" : "max_minutes";
    // Not in a row of bad steps: what led to it may already be in the weights.
    if (now_seconds() - run.last_saved >= save_seconds && run.state.bad_steps == 0) save(run);
    if (!train_step(run, dropout_seed)) return "stopped";
    if (run.state.bad_steps == kMaxBadSteps) throw_diverged(run);
  }
}

TrainResult make_result(const Run& run, const std::string& ended) {
  TrainResult result;
  result.state = run.state;
  result.total_steps = run.plan.total;
  result.first_loss = run.state.first_loss.value_or(0.0);
  result.last_loss = run.state.last_loss.value_or(0.0);
  if (ended != "stopped") result.valid_loss = run.state.valid_loss;
  result.tokens_per_second = run.clock.speed();
  result.saves = run.saves;
  result.save_seconds = run.save_seconds;
  result.rehearsal = run.rehearsal;
  if (run.job.model->device.is_cpu()) result.peak_memory = peak_memory();
  result.ended = ended;
  return result;
}

}  // namespace

TrainResult run_loop(const TrainJob& job, Objective& objective) {
  Run run(job, objective);
  const bool is_ready = objective.prepare(run.plan, [&job] { return asked_to_stop(job); });
  open_checkpoint(run);
  const std::string ended = is_ready && rehearse(run) ? train_steps(run) : "stopped";
  lora::set_training(*job.model, false);
  if (ended != "stopped" && run.state.skipped_steps == run.state.step) throw_diverged(run);
  save(run);
  run.line.finish(fmt::format("step {}/{}  loss {:.4f}  {}  {:.0f} tokens/s", run.state.step,
                              run.plan.total, run.state.last_loss.value_or(0.0),
                              human_seconds(run.clock.total()), run.clock.speed()));
  return make_result(run, ended);
}

}  // namespace slmtune::train
