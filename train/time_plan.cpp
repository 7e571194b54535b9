#include "train/time_plan.h"

#include <algorithm>

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
  const double adapter = shape.full ? 0.0 : static_cast<double>(trained.values());
  const double outputs = static_cast<double>(sizes.layers() * sizes.hidden * sizes.intermediate);
  FlopsPerToken flops;
  flops.forward = 2 * linears + 2 * head + 2 * attention + 2 * adapter;
  flops.backward = 2 * linears + 2 * head + 5 * attention + 4 * adapter;
  if (shape.full) flops.backward += 2 * linears + 2 * head;
  flops.full_recompute = 2 * linears + 2 * attention + 2 * adapter;
  flops.selective = 2 * (linears - outputs);
  flops.reference = shape.other_passes * (2 * linears + 2 * head + 2 * attention);
  const double share = static_cast<double>(std::min(shape.recompute, sizes.layers())) /
                       static_cast<double>(sizes.layers());
  flops.total = flops.forward + flops.backward + flops.reference +
                share * (shape.full ? flops.full_recompute : flops.selective);
  return flops;
}

RunCost run_cost(double tokens, double flops_each, double flops_per_second, double watts,
                 double price_per_kwh) {
  RunCost cost;
  cost.tokens_per_second = flops_per_second / flops_each;
  cost.seconds = tokens / cost.tokens_per_second;
  cost.kilowatt_hours = cost.seconds * watts / 3.6e6;
  cost.price = cost.kilowatt_hours * price_per_kwh;
  return cost;
}

}  // namespace slmtune::train
