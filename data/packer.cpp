#include "data/packer.h"

#include <algorithm>
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
                             bool pack) {
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
  if (pack) {
    for (const std::vector<size_t>& bin : pack_bins(sizes, budget)) {
      MicroBatch& batch = batches.emplace_back();
      for (size_t line : bin) append_line(batch, line);
    }
  } else {
    for (size_t line = 0; line < sizes.size(); ++line) append_line(batches.emplace_back(), line);
  }
  dataset.release();
  return batches;
}

std::vector<uint64_t> epoch_order(uint64_t rows, uint64_t seed, int64_t epoch) {
  return permutation(rows, derive_seed(seed, "shuffle " + std::to_string(epoch)));
}

}  // namespace slmtune::data
