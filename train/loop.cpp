#include "train/loop.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/seed.h"
#include "kernels/huge_pages.h"
#include "lora/attach.h"
#include "train/internal/run_report.h"
#include "train/schedule.h"
#include "train/shared_start.h"

namespace slmtune::train {
namespace {

constexpr int kMaxBadSteps = 3;
// Validation rows that are in memory at a time; even, so that no pair is cut.
constexpr size_t kRowsAtOnce = 1024;

bool asked_to_stop(const TrainJob& job) {
  return job.should_stop && job.should_stop();
}

// Random numbers depend on the numbers of step and micro-batch alone, so a resumed run draws the
// same ones, and so do several ranks that share the micro-batches.
void seed_micro_batch(const Run& run, int64_t number) {
  const uint64_t of_step = run.dropout_seed + static_cast<uint64_t>(run.next_step());
  at::manual_seed(number == 0 ? of_step : derive_seed(of_step, std::to_string(number)));
}

// Adds up the losses of the micro-batches; while training also their gradients, which add up in the
// parameters. False when asked to stop.
bool go_through(Run& run, Part part, std::span<const data::MicroBatch> batches, Sums& sums) {
  const data::Dataset& data = part == Part::kTrain ? *run.job.train : *run.job.valid;
  at::Tensor loss = at::zeros({}, at::device(run.job.model->device).dtype(at::kDouble));
  for (const data::MicroBatch& batch : batches) {
    if (asked_to_stop(run.job)) return false;
    run.tried = tried_rows(data.rows, batch.rows);
    if (part == Part::kTrain) seed_micro_batch(run, batch.number);
    BatchLoss one = run.objective.loss(part, batch);
    if (one.sum.requires_grad()) one.sum.backward();
    loss.add_(one.sum.detach());
    if (one.metrics.defined())
      sums.metrics = sums.metrics.defined() ? sums.metrics + one.metrics : one.metrics;
    sums.count += one.count;
    sums.done.add(batch.starts, batch.trained);
  }
  sums.loss_there = sums.loss_there.defined() ? sums.loss_there + loss : loss;
  return true;
}

// Waits for what the device has computed.
void read(Sums& sums) {
  if (sums.loss_there.defined()) sums.loss = sums.loss_there.item<double>();
  if (sums.metrics.defined()) sums.metrics = sums.metrics.to(at::kCPU);
}

// What all ranks have, from what each has; `go_on`: whether this one did not stop. False when one
// of them did.
bool add_up(Run& run, Sums& sums, bool go_on) {
  if (!run.ranks.several()) return go_on;
  read(sums);
  std::vector<double> numbers = {go_on ? 0.0 : 1.0,
                                 sums.loss,
                                 static_cast<double>(sums.count),
                                 static_cast<double>(sums.done.tokens),
                                 static_cast<double>(sums.done.label_tokens),
                                 sums.done.squares};
  const size_t own = numbers.size();
  numbers.resize(own + static_cast<size_t>(run.objective.metric_count()));
  if (sums.metrics.defined())
    std::copy_n(sums.metrics.const_data_ptr<double>(), sums.metrics.numel(),
                numbers.begin() + static_cast<std::ptrdiff_t>(own));
  run.ranks.sum(numbers);
  sums.loss = numbers[1];
  sums.loss_there.reset();  // read for good
  sums.count = static_cast<int64_t>(numbers[2]);
  sums.done = {static_cast<int64_t>(numbers[3]), static_cast<int64_t>(numbers[4]), numbers[5]};
  if (numbers.size() > own)
    sums.metrics = at::tensor(at::ArrayRef<double>(numbers).slice(own), at::kDouble);
  return numbers[0] == 0.0;
}

// Forward and backward over the rows of one step. Nothing waits for the device, unless the sums are
// those of several ranks.
std::optional<Step> accumulate(Run& run) {
  const int64_t number = run.next_step();
  const std::span<const uint64_t> rows = run.batches.rows_of(number);
  const ShouldStop stop = [&run] { return asked_to_stop(run.job); };
  Step step{.rows = static_cast<int64_t>(rows.size()), .started = now_seconds()};
  if (!run.objective.begin(Part::kTrain, rows, stop)) return std::nullopt;
  const bool go_on = go_through(run, Part::kTrain, run.packed.of(run.plan, number), step.sums);
  if (!add_up(run, step.sums, go_on)) return std::nullopt;
  return step;
}

// Divides by the count of the whole step, clips and updates; on a GPU this is only queued. A step
// whose loss or gradient is not finite changes nothing.
void start_update(Run& run, Step& step) {
  const TrainConfig& config = run.job.config;
  step.learning_rate = config.learning_rate * learning_rate_factor(config.schedule, run.state.step,
                                                                   run.plan.warmup, run.plan.total);
  step.scale = 1.0 / static_cast<double>(std::max<int64_t>(1, step.sums.count));
  if (!run.ranks.several()) {
    run.optimizer->start_step(step.learning_rate, step.scale, config.clip_norm,
                              step.sums.loss_there);
  } else if (std::isfinite(step.sums.loss)) {  // known, and the same on all ranks
    run.optimizer->sum_gradients(run.ranks);
    run.optimizer->start_step(step.learning_rate, step.scale, config.clip_norm);
  }
  run.optimizer->zero_grad();
  if (!run.ranks.several()) step.sent.emplace(step.sums.loss_there, step.sums.metrics);
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
  bool go_on = true;
  for (size_t first = 0; go_on && first < rows.size(); first += kRowsAtOnce) {
    const auto group = std::span(rows).subspan(first, std::min(kRowsAtOnce, rows.size() - first));
    go_on = go_through(run, Part::kValid, batches_of(*run.job.valid, run.plan, group), sums);
  }
  if (!add_up(run, sums, go_on)) return std::nullopt;
  read(sums);
  return sums;
}

// Energy of all parts of the run so far.
void add_energy(Run& run) {
  if (const auto used = run.device_meter.figures(/*now=*/true).energy_kwh)
    run.state.gpu_kwh = run.kwh_before + *used;
}

// The leader's alone: all ranks hold the same.
void save(Run& run) {
  if (!run.ranks.leads()) run.last_saved = now_seconds();
  if (run.state.step == 0 || !run.ranks.leads()) return;
  run.ranks.settle();
  const double started = now_seconds();
  run.state.seconds = run.clock.total();
  add_energy(run);
  run.job.run->sync_log();
  save_checkpoint(run.job.run->path(), *run.job.model, *run.optimizer, run.state);
  run.last_saved = now_seconds();
  ++run.saves;
  run.save_seconds += run.last_saved - started;
}

// After the steps done so far.
bool is_validation_due(const Run& run, bool last) {
  const int64_t every = run.plan.valid_every, done = run.next_step();
  const bool is_due = last || (every && done > 0 && done % every == 0);
  return run.job.valid && is_due && run.state.valid_step != done;
}

// False when asked to stop in its middle.
bool measure_validation(Run& run, bool last) {
  TrainState& state = run.state;
  const std::optional<Sums> sums = with_room(run, [&run] { return validate(run); });
  if (!sums) return false;
  const double loss = sums->loss / static_cast<double>(std::max<int64_t>(1, sums->count));
  state.valid_loss = loss;
  state.valid_step = state.step;
  const bool is_best = std::isfinite(loss) && loss < state.best_valid_loss.value_or(HUGE_VAL);
  if (is_best) {
    state.best_valid_loss = loss;
    state.best_valid_step = state.step;
  }
  if (run.ranks.leads()) log_validation(run, *sums, loss);
  if (is_best && !last) save(run);
  return true;
}

void count(Run& run, const Step& step) {
  ++run.state.step;
  run.state.rows_seen += step.rows;
  run.state.tokens_seen += step.sums.done.tokens;
  run.state.seconds = run.clock.total();
  run.clock.training += step.seconds;
  run.clock.done += step.sums.done;
  run.state.bad_steps = step.skipped ? run.state.bad_steps + 1 : 0;
  if (step.skipped) {
    ++run.state.skipped_steps;
    return;
  }
  if (!run.state.first_loss) run.state.first_loss = step.loss;
  run.state.last_loss = step.loss;
  run.state.metrics = finite(step.metrics);
}

// Counts and tells the step that was started last, if there is one: waits until the device has done
// it, whatever was queued behind it. T001 after three bad ones in a row.
void finish_step(Run& run) {
  if (!run.pending) return;
  Step step = std::move(*run.pending);
  run.pending.reset();
  if (step.sent) std::tie(step.sums.loss, step.sums.metrics) = step.sent->wait();
  step.loss = step.sums.loss * step.scale;
  step.grad_norm = run.optimizer->is_step_started() ? run.optimizer->finish_step() : std::nan("");
  step.skipped = !std::isfinite(step.grad_norm);
  step.metrics = metrics_of(run, step.sums);
  const double now = now_seconds();
  step.seconds = std::max(1e-9, now - std::max(step.started, run.last_finished));
  run.last_finished = now;
  count(run, step);
  if (run.ranks.leads()) log_step(run, step);
  if (run.state.bad_steps == kMaxBadSteps) throw_diverged(run);
}

// One optimiser step. On a GPU its numbers are read when the next one has been queued: the device
// always has work. False when asked to stop: nothing of the step remains.
bool train_step(Run& run) {
  std::optional<Step> step = with_room(run, [&run] {
    lora::set_training(*run.job.model, true);
    return accumulate(run);
  });
  if (!step) run.optimizer->zero_grad();
  finish_step(run);  // the one before
  if (!step) return false;
  start_update(run, *step);
  run.pending = std::move(step);
  if (!run.reads_late) finish_step(run);
  return true;
}

// Model, optimiser and state as the checkpoint has them, if the run goes on from one.
void open_checkpoint(Run& run) {
  const TrainJob& job = run.job;
  if (job.resume_from) {
    const std::vector<Halving> halvings = run.state.halvings;  // more than it knows of, perhaps
    run.state = load_checkpoint(*job.resume_from, *job.model, *run.optimizer, job.identity);
    run.state.halvings = halvings;
    run.clock.before = run.state.seconds;
    run.kwh_before = run.state.gpu_kwh.value_or(0.0);
    job.run->rewind(run.state.step, run.state.valid_step == run.state.step);
  } else if (job.start_from) {
    load_weights(*job.start_from, *job.model, *run.optimizer);
  }
  share_start(run.ranks, *job.model, *run.optimizer, run.state, job.resume_from || job.start_from);
  run.state.identity = job.identity;
}

// The limit of micro-batches that an earlier part of the run came down to.
void take_halvings(Run& run) {
  if (run.job.resume_from) {
    run.state.halvings = read_state(*run.job.resume_from).halvings;
    if (!run.state.halvings.empty()) run.plan.micro_batch_tokens = run.state.halvings.back().to;
  }
  if (!run.ranks.several()) return;
  double limit = run.ranks.leads() ? static_cast<double>(run.plan.micro_batch_tokens) : 0.0;
  run.ranks.sum({&limit, 1});
  run.plan.micro_batch_tokens = static_cast<int64_t>(limit);
}

// Tries the largest micro-batch; what comes after is as if it had not been. False when asked to
// stop.
bool rehearse(Run& run) {
  const bool is_wanted = run.job.on_rehearsal && run.state.step < run.plan.total;
  if (run.ranks.all_go_on(!is_wanted)) return true;  // ranks may differ in the memory they have
  const at::Device device = run.job.model->device;
  restart_training_peak(device);  // where it is allowed: else loading counts, too
  lora::set_training(*run.job.model, true);
  const data::Rows& rows = run.job.train->rows;
  run.rehearsal = with_room(run, [&] {
    run.tried = tried_rows(rows, largest_batch(rows, run.job.config.batch_rows,
                                               run.plan.micro_batch_tokens, run.plan.pack));
    return rehearse(run.objective, rows, run.plan, run.job.config.batch_rows, device,
                    [&run] { return asked_to_stop(run.job); });
  });
  run.optimizer->zero_grad();
  if (run.rehearsal && run.job.on_rehearsal) run.job.on_rehearsal(*run.rehearsal);
  return run.ranks.all_go_on(run.rehearsal.has_value());
}

// Whether train.max_minutes are over, by the leader's clock.
bool is_time_over(Run& run) {
  if (!run.job.config.max_minutes || run.next_step() == 0) return false;
  const bool is_over = run.clock.total() >= *run.job.config.max_minutes * 60.0;
  return !run.ranks.all_go_on(!is_over || !run.ranks.leads());
}

// Steps, validations and checkpoints up to the end; why it ended.
std::string train_steps(Run& run) {
  const TrainConfig& config = run.job.config;
  const double save_seconds = config.save_minutes * 60.0;
  bool is_settled = false;  // a step has been done: what they need is in memory
  while (true) {
    const bool done = run.next_step() >= run.plan.total;
    const bool last = done || is_time_over(run);
    const bool validates = is_validation_due(run, last);
    const bool saves = now_seconds() - run.last_saved >= save_seconds;
    if (last || validates || saves) finish_step(run);
    if (validates && !measure_validation(run, last)) return "stopped";
    if (last) return done ? "done" : "max_minutes";
    // Not in a row of bad steps: what led to it may already be in the weights.
    if (saves && run.state.bad_steps == 0) save(run);
    if (!train_step(run)) return "stopped";
    if (!std::exchange(is_settled, true) && kernels::are_huge_pages_for_later())
      kernels::use_huge_pages();
  }
}

TrainResult make_result(Run& run, const std::string& ended) {
  TrainResult result;
  add_energy(run);
  result.state = run.state;
  result.total_steps = run.plan.total;
  result.first_loss = run.state.first_loss.value_or(0.0);
  result.last_loss = run.state.last_loss.value_or(0.0);
  if (ended != "stopped") result.valid_loss = run.state.valid_loss;
  result.tokens_per_second = run.clock.speed();
  result.saves = run.saves;
  result.save_seconds = run.save_seconds;
  result.rehearsal = run.rehearsal;
  result.peak_memory = training_peak(run.job.model->device);
  result.device = run.device_meter.figures();
  result.utilisation = utilisation(run, run.clock.done, run.clock.training);
  result.ended = ended;
  return result;
}

}  // namespace

TrainResult run_loop(const TrainJob& job, Objective& objective) {
  Run run(job, objective);
  take_halvings(run);
  const bool is_ready = with_room(
      run, [&] { return objective.prepare(run.plan, [&job] { return asked_to_stop(job); }); });
  open_checkpoint(run);
  const std::string ended = is_ready && rehearse(run) ? train_steps(run) : "stopped";
  lora::set_training(*job.model, false);
  if (ended != "stopped" && run.state.skipped_steps == run.state.step) throw_diverged(run);
  save(run);
  if (job.ranks->leads()) finish_progress(run);
  return make_result(run, ended);
}

}  // namespace slmtune::train
