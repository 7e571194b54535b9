#include "data/packer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/seed.h"

namespace slmtune::data {
namespace {

// Rows of random lengths; the ids of row r count up from 1000 r, the second half is trained.
std::vector<Tokens> rows_of(size_t count, uint64_t longest, uint64_t seed = 1) {
  SplitMix64 random(seed);
  std::vector<Tokens> rows(count);
  for (size_t r = 0; r < count; ++r) {
    const uint64_t length = 1 + random.below(longest);
    for (uint64_t i = 0; i < length; ++i) {
      rows[r].ids.push_back(static_cast<int32_t>(1000 * r + i));
      rows[r].labels.push_back(2 * i >= length ? rows[r].ids.back() : kNotTrained);
    }
  }
  return rows;
}

std::vector<uint64_t> numbers(size_t count) {
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST(Packer, NeverSplitsAnExample) {
  const std::vector<Tokens> rows = rows_of(300, 64);
  std::multiset<int32_t> seen;
  for (const MicroBatch& batch : pack(rows, numbers(300), 100, true)) {
    EXPECT_LE(batch.ids.size(), 100u);
    ASSERT_EQ(batch.starts.front(), 0);
    ASSERT_EQ(batch.starts.back(), static_cast<int64_t>(batch.ids.size()));
    for (size_t s = 0; s + 1 < batch.starts.size(); ++s) {
      const auto begin = static_cast<size_t>(batch.starts[s]),
                 end = static_cast<size_t>(batch.starts[s + 1]);
      const auto row = static_cast<size_t>(batch.ids[begin] / 1000);
      seen.insert(static_cast<int32_t>(row));
      EXPECT_EQ(
          std::vector(batch.ids.begin() + batch.starts[s], batch.ids.begin() + batch.starts[s + 1]),
          rows[row].ids);
      EXPECT_EQ(batch.labels[begin], kNotTrained);
      for (size_t i = begin; i < end; ++i)
        EXPECT_EQ(batch.positions[i], static_cast<int32_t>(i - begin));
      for (size_t i = begin + 1; i < end; ++i)
        EXPECT_EQ(batch.labels[i], rows[row].labels[i - begin]);
    }
  }
  EXPECT_EQ(seen.size(), 300u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 300u);
}

TEST(Packer, CountsTheTrainedLabels) {
  const std::vector<Tokens> rows = rows_of(50, 30);
  int64_t expected = 0, packed = 0, counted = 0;
  for (const Tokens& row : rows) expected += row.trained();
  for (const MicroBatch& batch : pack(rows, numbers(50), 64, true)) {
    packed += batch.trained;
    counted += std::count_if(batch.labels.begin(), batch.labels.end(),
                             [](int32_t id) { return id != kNotTrained; });
  }
  EXPECT_EQ(packed, expected);
  EXPECT_EQ(counted, expected);
}

TEST(Packer, FillsWell) {
  const std::vector<Tokens> rows = rows_of(2000, 512);
  const auto batches = pack(rows, numbers(2000), 2048, true);
  double fill = 0;
  for (const MicroBatch& batch : batches) fill += batch.fill(2048);
  EXPECT_GT(fill / static_cast<double>(batches.size()), 0.98);
}

TEST(Packer, ALongRowStandsAlone) {
  const std::vector<Tokens> rows = {
      {{1, 2, 3}, {1, 2, 3}}, {{4}, {4}}, {{5, 6, 7, 8}, {5, 6, 7, 8}}};
  const auto batches = pack(rows, numbers(3), 3, true);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].ids, (std::vector<int32_t>{5, 6, 7, 8}));
}

TEST(Packer, WithoutPackingEveryRowIsItsOwn) {
  const std::vector<Tokens> rows = rows_of(20, 9);
  const auto batches = pack(rows, numbers(20), 100, false);
  ASSERT_EQ(batches.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(batches[i].ids, rows[i].ids);
  EXPECT_TRUE(pack(rows, {}, 100, true).empty());
}

TEST(Packer, IsDeterministic) {
  const std::vector<Tokens> rows = rows_of(100, 40);
  const auto order = epoch_order(100, 7, 2);
  const auto first = pack(rows, order, 128, true), second = pack(rows, order, 128, true);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].ids, second[i].ids);
}

TEST(EpochOrder, IsAPermutationOfItsOwnForEachEpoch) {
  auto order = epoch_order(50, 7, 0);
  EXPECT_EQ(order, epoch_order(50, 7, 0));
  EXPECT_NE(order, epoch_order(50, 7, 1));
  EXPECT_NE(order, epoch_order(50, 8, 0));
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, numbers(50));
}

}  // namespace
}  // namespace slmtune::data
