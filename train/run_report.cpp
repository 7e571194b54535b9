#include "train/internal/run_report.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace slmtune::train {
namespace {

// ", MFU 41 %, 55 % of the ceiling": behind a speed. The second share counts what is computed
// again.
std::string mfu_text(const Run& run) {
  const auto used = utilisation(run, run.clock.done, run.clock.training);
  if (!used) return "";
  return fmt::format(", MFU {:.0f} %, {:.0f} % of the ceiling", 100 * used->mfu,
                     100 * used->of_ceiling);
}

void add_device_figures(OrderedJson& record, const kernels::DeviceFigures& figures) {
  if (figures.memory_peak) record["gpu_memory_bytes"] = *figures.memory_peak;
  if (figures.reserved_peak) record["gpu_reserved_bytes"] = *figures.reserved_peak;
  if (figures.watts) record["gpu_watts"] = *figures.watts;
  if (figures.energy_kwh) record["gpu_kwh"] = *figures.energy_kwh;
  if (figures.celsius) record["gpu_celsius"] = *figures.celsius;
  if (figures.core_mhz) record["gpu_mhz"] = *figures.core_mhz;
}

}  // namespace

NamedNumbers metrics_of(const Run& run, const Sums& sums) {
  return sums.metrics.defined() ? run.objective.metrics(sums.metrics, sums.count) : NamedNumbers();
}

std::map<std::string, double> finite(const NamedNumbers& numbers) {
  std::map<std::string, double> kept;
  for (const auto& [name, value] : numbers)
    if (std::isfinite(value)) kept[name] = value;
  return kept;
}

std::optional<Utilisation> utilisation(const Run& run, const TokensDone& done, double seconds) {
  if (run.job.meter == nullptr || seconds <= 0.0) return std::nullopt;
  return run.job.meter->of(done, seconds);
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

// A line of log.jsonl and the progress line.
void log_step(Run& run, const Step& step) {
  const TrainState& state = run.state;
  OrderedJson record = {
      {"step", state.step},
      {"epoch", run.epoch()},
      {"loss", step.loss},
      {"learning_rate", step.learning_rate},
      {"grad_norm", step.grad_norm},
      {"tokens", step.sums.done.tokens},
      {"label_tokens", step.sums.done.label_tokens},
      {"tokens_per_second", static_cast<double>(step.sums.done.tokens) / step.seconds},
      {"seconds", state.seconds}};
  if (const auto used = utilisation(run, step.sums.done, step.seconds)) {
    record["mfu"] = used->mfu;
    record["ceiling_share"] = used->of_ceiling;
  }
  for (const auto& [name, value] : step.metrics) record[name] = value;
  if (step.skipped) record["skipped"] = true;
  add_device_figures(record, run.device_meter.figures());
  run.job.run->log(state.step, record);
  const double per_step = state.seconds / static_cast<double>(state.step);
  const double left = per_step * static_cast<double>(run.plan.total - state.step);
  run.line.show(
      fmt::format("step {}/{}  loss {:.4f}  lr {:.2e}  grad norm {:.3f}  {:.0f} tokens/s{}  ETA {}",
                  state.step, run.plan.total, step.loss, step.learning_rate, step.grad_norm,
                  run.clock.speed(), mfu_text(run), human_seconds(left)));
}

void log_halving(Run& run, const Halving& halving, const std::string& reason) {
  run.job.run->log(
      run.state.step,
      {{"step", run.state.step}, {"out_of_memory", true}, {"micro_batch_tokens", halving.to}});
  log_verbose(reason);
  log_warning(fmt::format(
      "step {}: the GPU's memory is full; micro-batches of up to {} tokens from here on (before: "
      "{}), and more of them: the steps stay the same",
      halving.step, halving.to, halving.from));
}

void finish_progress(Run& run) {
  run.line.finish(fmt::format("step {}/{}  loss {:.4f}  {}  {:.0f} tokens/s{}", run.state.step,
                              run.plan.total, run.state.last_loss.value_or(0.0),
                              human_seconds(run.clock.total()), run.clock.speed(), mfu_text(run)));
}

void throw_diverged(const Run& run) {
  throw UserError(
      "T001", run.job.run ? run.job.run->path().string() : "",
      fmt::format("training diverged: the loss or gradient was not finite up to step {} ({} of its "
                  "steps were skipped)",
                  run.state.step, run.state.skipped_steps),
      "lower train.learning_rate, raise train.warmup or look at the data near that step");
}

}  // namespace slmtune::train
