#include "data/packer.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/seed.h"
#include "data/bin_packing.h"

namespace slmtune::data {
namespace {

void append_row(MicroBatch& batch, const Rows& dataset, uint64_t index) {
  const Row row = dataset[index];
  const std::span<const int32_t> ids = row.ids();
  if (batch.starts.empty()) batch.starts.push_back(0);
  batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  for (size_t i = 0; i < ids.size(); ++i) {
    batch.labels.push_back(i == 0 ? kNotTrained : row.label(i));  // nothing predicts the first
    batch.positions.push_back(static_cast<int32_t>(i));
  }
  batch.starts.push_back(static_cast<int64_t>(batch.ids.size()));
  batch.rows.push_back(index);
  batch.trained += row.trained();
}

// Items of each bin, in order.
using Bins = std::vector<std::vector<size_t>>;

Bins singles(size_t count) {
  Bins bins(count);
  for (size_t item = 0; item < count; ++item) bins[item] = {item};
  return bins;
}

// Numbers of the bins that the rank gets, ascending: largest first, each to the rank that has
// least.
std::vector<size_t> dealt(const Bins& bins, std::span<const int64_t> sizes, Deal deal) {
  std::vector<size_t> order(bins.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (deal.ranks == 1) return order;
  std::vector<int64_t> tokens;
  for (const std::vector<size_t>& bin : bins) {
    tokens.push_back(0);
    for (size_t item : bin) tokens.back() += sizes[item];
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tokens[a] > tokens[b]; });
  std::vector<int64_t> loads(static_cast<size_t>(deal.ranks), 0);
  std::vector<size_t> own;
  for (size_t bin : order) {
    const auto least = std::min_element(loads.begin(), loads.end());
    *least += std::max<int64_t>(1, tokens[bin]);
    if (least - loads.begin() == deal.rank) own.push_back(bin);
  }
  std::sort(own.begin(), own.end());
  return own;
}

}  // namespace

double fill(std::span<const MicroBatch> batches) {
  size_t tokens = 0, longest = 0;
  for (const MicroBatch& batch : batches) {
    tokens += batch.ids.size();
    longest = std::max(longest, batch.ids.size());
  }
  return tokens == 0 ? 1.0
                     : static_cast<double>(tokens) / static_cast<double>(longest * batches.size());
}

std::vector<MicroBatch> pack(const Rows& dataset, std::span<const uint64_t> rows, int64_t budget,
                             bool pack, Deal deal) {
  // Rows of one line are one thing to pack.
  std::vector<size_t> firsts;
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i == 0 || !dataset.goes_on(rows[i])) {
      firsts.push_back(i);
      sizes.push_back(0);
    }
    sizes.back() += dataset.length(rows[i]);
  }
  firsts.push_back(rows.size());
  std::vector<MicroBatch> batches;
  const auto append_line = [&](MicroBatch& batch, size_t line) {
    for (size_t i = firsts[line]; i < firsts[line + 1]; ++i) append_row(batch, dataset, rows[i]);
  };
  const Bins bins = pack ? pack_bins(sizes, budget, static_cast<size_t>(deal.ranks))
                         : singles(sizes.size());
  for (size_t bin : dealt(bins, sizes, deal)) {
    MicroBatch& batch = batches.emplace_back();
    batch.number = static_cast<int64_t>(bin);
    for (size_t line : bins[bin]) append_line(batch, line);
  }
  dataset.release();
  return batches;
}

std::vector<uint64_t> epoch_order(uint64_t rows, uint64_t seed, int64_t epoch) {
  return permutation(rows, derive_seed(seed, "shuffle " + std::to_string(epoch)));
}

}  // namespace slmtune::data
