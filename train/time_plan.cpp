#include "train/time_plan.h"

#include <algorithm>

#include "train/memory_fit.h"

namespace slmtune::train {
namespace {

// Σ over the layers of the tokens that a token of a row of `length` tokens is compared with, twice
// the causal mean: T, or with a window W < T about 2W − W²/T.
double seen_tokens(const ModelSizes& sizes, double length) {
  double sum = 0;
  for (const int64_t window : sizes.windows) {
    const auto w = static_cast<double>(window);
    sum += window > 0 && w < length ? 2 * w - w * w / length : length;
  }
  return sum;
}

}  // namespace

FlopsPerToken flops_per_token(const ModelSizes& sizes, const TrainedSizes& trained,
                              const WorkShape& shape) {
  const auto linears = static_cast<double>(sizes.linear_values());
  const double attention =
      seen_tokens(sizes, shape.row_tokens) * static_cast<double>(sizes.queries);
  const double head = static_cast<double>(sizes.vocabulary * sizes.hidden) * shape.label_share;
  const double adapter = shape.full ? 0.0 : static_cast<double>(trained.stored_values());
  const double outputs = static_cast<double>(sizes.layers() * sizes.hidden * sizes.intermediate);
  FlopsPerToken flops;
  flops.forward = 2 * linears + 2 * head + 2 * attention + 2 * adapter;
  flops.backward = 2 * linears + 2 * head + 5 * attention + 4 * adapter;
  if (shape.full) flops.backward += 2 * linears + 2 * head;
  flops.full_recompute = 2 * linears + 2 * attention + 2 * adapter;
  flops.selective = 2 * (linears - outputs);
  flops.reference = shape.other_passes * (2 * linears + 2 * head + 2 * attention);
  const auto share = [&](int64_t layers) {
    return static_cast<double>(std::min(layers, sizes.layers())) /
           static_cast<double>(sizes.layers());
  };
  const double whole = share(shape.whole);
  const double halves = std::max(0.0, share(shape.recompute) - whole);
  flops.total = flops.needed() + whole * flops.full_recompute +
                halves * (shape.full ? flops.full_recompute : flops.selective);
  return flops;
}

TokenTime token_time(const ModelSizes& sizes, const TrainedSizes& trained,
                     const PlanSetting& setting, double flops_each, const MachineRates& rates) {
  const auto tokens = static_cast<double>(std::max<int64_t>(1, batch_tokens(setting)));
  const auto count = [](int64_t value) { return static_cast<double>(value); };
  TokenTime time;
  time.products = flops_each / rates.layers;
  if (rates.dequantise > 0)
    time.dequantise = dequantise_passes(sizes, setting) * count(sizes.linear_values()) /
                      rates.dequantise / tokens;
  // Values that are read or written forward: three of gate, up and their product; q and k before
  // and after their rotation; norms and residual sums of both halves. Backward takes twice that.
  const double passed = 3 * count(sizes.intermediate) + 2 * count(sizes.queries + sizes.keys) +
                        8 * count(sizes.hidden);
  // Adapters read and write the outputs of their linears once more, forward and backward.
  const double adapted = setting.full ? 0.0 : 2 * 2 * count(trained.outputs);
  time.passes =
      count(setting.value_bytes) * (3 * count(sizes.layers()) * passed + adapted) / rates.copy;
  return time;
}

Speed speed_by_share(double flops_each, double peak, const ReachedShare& share) {
  const double ceiling = peak / flops_each;
  return {ceiling * share.expected, ceiling * share.low, ceiling * share.high};
}

Speed speed_by_rates(const TokenTime& time) {
  constexpr double kExpected = 1.15, kSlow = 1.5;
  const double fast = 1.0 / time.total();
  return {fast / kExpected, fast / kSlow, fast};
}

RunCost run_cost(double tokens, const Speed& speed, double watts, double price_per_kwh) {
  RunCost cost{.speed = speed};
  cost.seconds = tokens / speed.expected;
  cost.least_seconds = tokens / speed.fast;
  cost.most_seconds = tokens / speed.slow;
  cost.kilowatt_hours = cost.seconds * watts / 3.6e6;
  cost.price = cost.kilowatt_hours * price_per_kwh;
  return cost;
}

}  // namespace slmtune::train
