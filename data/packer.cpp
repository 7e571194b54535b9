#include "data/packer.h"

#include <algorithm>
#include <bit>
#include <string>

#include "core/seed.h"

namespace slmtune::data {
namespace {

// Free space of the bins in a tournament tree: the first bin with enough room in O(log n).
class Bins {
 public:
  Bins(size_t most, int64_t budget)
      : leaves_(std::bit_ceil(std::max<size_t>(most, 1))), room_(2 * leaves_, budget) {}

  // Takes `size` from the first bin that has it; returns the bin. Precondition: size <= budget, a
  // bin per call is there.
  size_t place(int64_t size) {
    size_t node = 1;
    while (node < leaves_) node = room_[2 * node] >= size ? 2 * node : 2 * node + 1;
    room_[node] -= size;
    const size_t bin = node - leaves_;
    while (node /= 2) room_[node] = std::max(room_[2 * node], room_[2 * node + 1]);
    return bin;
  }

 private:
  size_t leaves_;
  std::vector<int64_t> room_;
};

void append_row(MicroBatch& batch, const Tokens& row) {
  if (batch.starts.empty()) batch.starts.push_back(0);
  batch.ids.insert(batch.ids.end(), row.ids.begin(), row.ids.end());
  const size_t first = batch.labels.size();
  batch.labels.insert(batch.labels.end(), row.labels.begin(), row.labels.end());
  if (!row.labels.empty()) batch.labels[first] = kNotTrained;  // nothing predicts it
  for (size_t i = 0; i < row.ids.size(); ++i) batch.positions.push_back(static_cast<int32_t>(i));
  batch.starts.push_back(static_cast<int64_t>(batch.ids.size()));
  batch.trained += row.trained();
}

}  // namespace

std::vector<MicroBatch> pack(std::span<const Tokens> dataset, std::span<const uint64_t> rows,
                             int64_t budget, bool pack) {
  std::vector<MicroBatch> batches;
  if (!pack) {
    for (uint64_t row : rows) append_row(batches.emplace_back(), dataset[row]);
    return batches;
  }
  auto length = [&](uint64_t row) { return static_cast<int64_t>(dataset[row].ids.size()); };
  std::vector<uint64_t> order(rows.begin(), rows.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](uint64_t a, uint64_t b) { return length(a) > length(b); });
  // Rows over the budget come first and stand alone.
  size_t alone = 0;
  for (; alone < order.size() && length(order[alone]) > budget; ++alone)
    append_row(batches.emplace_back(), dataset[order[alone]]);
  Bins bins(order.size() - alone, budget);
  for (size_t i = alone; i < order.size(); ++i) {
    const size_t bin = alone + bins.place(length(order[i]));
    if (bin >= batches.size()) batches.resize(bin + 1);
    append_row(batches[bin], dataset[order[i]]);
  }
  return batches;
}

std::vector<uint64_t> epoch_order(uint64_t rows, uint64_t seed, int64_t epoch) {
  return permutation(rows, derive_seed(seed, "shuffle " + std::to_string(epoch)));
}

}  // namespace slmtune::data
