#include "cli/engine/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/engine/run_sizes.h"
#include "core/log.h"
#include "core/text.h"
#include "kernels/device_memory.h"
#include "train/run_plan.h"

namespace slmtune::cli {
namespace {

// Operations of a run that takes some seconds: a shorter one is not worth a probe.
constexpr double kWorthOnCpu = 1e12, kWorthOnGpu = 2e14;
constexpr double kCpuSeconds = 0.1, kGpuSeconds = 2.0;

void say(const train::MachineRates& rates, const RunWork& work, const MemoryChoice& memory) {
  const train::Speed each = train::speed_by_rates(
      train::token_time(memory.sizes, memory.trained, memory.setting, work.flops.total, rates));
  const train::RunCost cost = train::run_cost(work.tokens / work.devices, each, 0, 0);
  std::string text = "measured: large products " + rate_text(rates.peak, "FLOP/s") +
                     ", this model's " + rate_text(rates.layers, "FLOP/s") + ", copies " +
                     rate_text(rates.copy, "B/s");
  if (rates.dequantise > 0)
    text += ", weights written out " + rate_text(rates.dequantise, "values/s");
  if (rates.joins_low_rank) text += ", adapters cost less within products than behind them";
  log_info(text);
  log_info(fmt::format("time: about {} ({} to {}), {:.0f} tokens/s", human_seconds(cost.seconds),
                       human_seconds(cost.least_seconds), human_seconds(cost.most_seconds),
                       work.devices * each.expected));
}

// Of one linear on average.
int64_t adapter_rank(const MemoryChoice& memory) {
  const auto linears = static_cast<int64_t>(memory.sizes.linears.size());
  return linears > 0 ? (memory.trained.ranks + linears - 1) / linears : 0;
}

}  // namespace

RunWork run_work(const Recipe& recipe, const TrainRows& rows, const MemoryChoice& memory) {
  const data::DataCounts& counts = rows.train.counts;
  const auto tokens = static_cast<double>(std::max<int64_t>(1, counts.tokens));
  const int64_t count = train::row_count(rows.train);
  const double rows_done = static_cast<double>(train::total_steps(recipe.train, count)) *
                           static_cast<double>(recipe.train.batch_rows);
  const double epochs = rows_done / static_cast<double>(std::max<int64_t>(1, count));
  RunWork work;
  work.tokens = tokens * epochs;
  const auto texts = static_cast<double>(std::max<size_t>(1, rows.train.rows.size()));
  work.flops = train::flops_per_token(
      memory.sizes, memory.trained,
      work_shape(recipe, memory.setting, tokens / texts,
                 static_cast<double>(counts.trained_tokens) / tokens, epochs));
  if (recipe.objective == "kto") work.step_passes = 1;  // of answers that belong to other prompts
  return work;
}

std::optional<train::MachineRates> calibrate(const RunWork& work, const MemoryChoice& memory,
                                             const kernels::DeviceChoice& device) {
  const bool on_cpu = device.device.is_cpu();
  if (work.tokens * work.flops.total < (on_cpu ? kWorthOnCpu : kWorthOnGpu)) return std::nullopt;
  if (on_cpu) {
    train::MachineRates rates;
    rates.peak = train::peak_rate(device.device, device.dtype, kCpuSeconds);
    return rates;
  }
  const train::MachineRates rates =
      train::probe_machine(memory.sizes, {.device = device.device,
                                          .dtype = device.dtype,
                                          .quant = memory.setting.quant,
                                          .tokens = train::batch_tokens(memory.setting),
                                          .rank = adapter_rank(memory),
                                          .seconds = kGpuSeconds});
  kernels::release_device_cache(device.device);
  say(rates, work, memory);
  return rates;
}

std::optional<train::UtilisationMeter> make_meter(const RunWork& work, const MemoryChoice& memory,
                                                  const std::optional<train::MachineRates>& rates) {
  if (!rates) return std::nullopt;
  return train::UtilisationMeter(memory.sizes, memory.trained,
                                 {.setting = memory.setting,
                                  .other_passes = work.step_passes,
                                  .peak = work.devices * rates->peak});
}

OrderedJson rates_json(const std::optional<train::MachineRates>& rates) {
  if (!rates) return nullptr;
  OrderedJson json = {{"peak_flops_per_second", rates->peak}};
  if (rates->layers > 0) json["layer_flops_per_second"] = rates->layers;
  if (rates->copy > 0) json["copy_bytes_per_second"] = rates->copy;
  if (rates->dequantise > 0) json["dequantised_values_per_second"] = rates->dequantise;
  if (rates->joins_low_rank) json["joins_low_rank"] = true;
  return json;
}

std::string rate_text(double per_second, const std::string& unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t prefix = 0;
  while (per_second >= 999.5 && prefix + 1 < std::size(kPrefixes)) {
    per_second /= 1000;
    ++prefix;
  }
  return fmt::format("{:.3g} {}{}", per_second, kPrefixes[prefix], unit);
}

}  // namespace slmtune::cli
