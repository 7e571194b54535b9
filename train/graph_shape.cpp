#include "train/graph_shape.h"

#include <algorithm>

namespace slmtune::train {
namespace {

constexpr int64_t kSmallest = 64, kParts = 8;
constexpr int64_t kMostParameters = 3'000'000'000;

int64_t up_to(int64_t count, int64_t step) {
  return (count + step - 1) / step * step;
}

int64_t power_of_two(int64_t count) {
  int64_t power = 1;
  while (power < count) power *= 2;
  return power;
}

}  // namespace

int64_t filled_up(int64_t count) {
  if (count <= kSmallest) return kSmallest;
  return up_to(count, power_of_two(count) / 2 / kParts);
}

GraphShape graph_shape(const data::MicroBatch& batch) {
  const auto rows = static_cast<int64_t>(batch.starts.size()) - 1;
  GraphShape shape{.tokens = filled_up(static_cast<int64_t>(batch.ids.size())),
                   .rows = power_of_two(rows + 1)};
  shape.labels = std::max<int64_t>(1, up_to(batch.trained, shape.tokens / kParts));
  return shape;
}

FilledBatch fill_up(const data::MicroBatch& batch, const GraphShape& shape) {
  FilledBatch filled;
  filled.ids.assign(batch.ids.begin(), batch.ids.end());
  filled.positions.assign(batch.positions.begin(), batch.positions.end());
  for (size_t row = 0; row + 1 < batch.starts.size(); ++row)
    for (int64_t place = batch.starts[row]; place + 1 < batch.starts[row + 1]; ++place) {
      const int32_t next = batch.labels[static_cast<size_t>(place) + 1];
      if (next == data::kNotTrained) continue;
      filled.label_rows.push_back(place);
      filled.targets.push_back(next);
    }
  filled.weights.assign(filled.label_rows.size(), 1);
  for (std::vector<int64_t>* labels : {&filled.label_rows, &filled.targets, &filled.weights})
    labels->resize(static_cast<size_t>(shape.labels), 0);
  // One more row, of any token.
  while (static_cast<int64_t>(filled.ids.size()) < shape.tokens) {
    filled.positions.push_back(static_cast<int64_t>(filled.ids.size() - batch.ids.size()));
    filled.ids.push_back(0);
  }
  filled.starts = batch.starts;
  filled.starts.resize(static_cast<size_t>(shape.rows) + 1, shape.tokens);
  return filled;
}

bool records_steps(const GraphFacts& facts) {
  return facts.on_gpu && facts.all_fused && !facts.draws_random && !facts.offloads &&
         !facts.turns_by_length && facts.parameters <= kMostParameters;
}

}  // namespace slmtune::train
