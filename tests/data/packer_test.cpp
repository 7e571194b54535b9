#include "data/packer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/seed.h"

namespace slmtune::data {
namespace {

// The ids of row r count up from 1000 r; its second half is trained.
Tokens row_of(size_t r, uint64_t length) {
  Tokens row;
  for (uint64_t i = 0; i < length; ++i) {
    row.ids.push_back(static_cast<int32_t>(1000 * r + i));
    row.labels.push_back(2 * i >= length ? row.ids.back() : kNotTrained);
  }
  return row;
}

// Rows of random lengths.
Rows rows_of(size_t count, uint64_t longest, uint64_t seed = 1) {
  SplitMix64 random(seed);
  Rows rows;
  for (size_t r = 0; r < count; ++r) rows.push_back(row_of(r, 1 + random.below(longest)));
  return rows;
}

std::vector<uint64_t> numbers(size_t count) {
  std::vector<uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST(Packer, NeverSplitsAnExample) {
  const Rows rows = rows_of(300, 64);
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
          rows[row].tokens().ids);
      EXPECT_EQ(batch.labels[begin], kNotTrained);
      for (size_t i = begin; i < end; ++i)
        EXPECT_EQ(batch.positions[i], static_cast<int32_t>(i - begin));
      for (size_t i = begin + 1; i < end; ++i)
        EXPECT_EQ(batch.labels[i], rows[row].label(i - begin));
    }
  }
  EXPECT_EQ(seen.size(), 300u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 300u);
}

TEST(Packer, CountsTheTrainedLabels) {
  const Rows rows = rows_of(50, 30);
  int64_t expected = 0, packed = 0, counted = 0;
  for (const Row row : rows) expected += row.trained();
  for (const MicroBatch& batch : pack(rows, numbers(50), 64, true)) {
    packed += batch.trained;
    counted += std::count_if(batch.labels.begin(), batch.labels.end(),
                             [](int32_t id) { return id != kNotTrained; });
  }
  EXPECT_EQ(packed, expected);
  EXPECT_EQ(counted, expected);
}

TEST(Packer, ASecondHalfOfALineStaysWithTheFirst) {
  Rows rows;
  for (size_t r = 0; r < 40; ++r) {
    Tokens row = row_of(r, 5 + r % 7);
    row.mark = r % 2 == 0 ? RowMark::kChosen : RowMark::kRejected;
    rows.push_back(row);
  }
  const std::vector<uint64_t> order = {6, 7, 0, 1, 38, 39, 10, 11, 2, 3};
  size_t pairs = 0;
  for (const bool is_packed : {true, false})
    for (const MicroBatch& batch : pack(rows, order, 40, is_packed)) {
      ASSERT_EQ(batch.rows.size() % 2, 0u);
      EXPECT_LE(batch.ids.size(), 40u);
      EXPECT_TRUE(is_packed || batch.rows.size() == 2u);
      for (size_t i = 0; i < batch.rows.size(); i += 2, ++pairs)
        EXPECT_EQ(batch.rows[i] + 1, batch.rows[i + 1]);
    }
  EXPECT_EQ(pairs, 10u);
}

TEST(Packer, ALongRowStandsAlone) {
  Rows rows;
  rows.push_back({{1, 2, 3}, {1, 2, 3}});
  rows.push_back({{4}, {4}});
  rows.push_back({{5, 6, 7, 8}, {5, 6, 7, 8}});
  const auto batches = pack(rows, numbers(3), 3, true);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].ids, (std::vector<int32_t>{5, 6, 7, 8}));
}

TEST(Packer, WithoutPackingEveryRowIsItsOwn) {
  const Rows rows = rows_of(20, 9);
  const auto batches = pack(rows, numbers(20), 100, false);
  ASSERT_EQ(batches.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(batches[i].ids, rows[i].tokens().ids);
  EXPECT_TRUE(pack(rows, {}, 100, true).empty());
}

TEST(Packer, IsDeterministic) {
  const Rows rows = rows_of(100, 40);
  const auto order = epoch_order(100, 7, 2);
  const auto first = pack(rows, order, 128, true), second = pack(rows, order, 128, true);
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].ids, second[i].ids);
}

// Micro-batches of every rank, and all rows that they hold.
struct Dealt {
  std::vector<std::vector<MicroBatch>> of_rank;
  std::multiset<uint64_t> rows;
  std::set<int64_t> numbers;
  std::vector<size_t> tokens;
};

Dealt dealt_to(int ranks, const Rows& rows, int64_t budget, bool packed) {
  Dealt dealt;
  for (int rank = 0; rank < ranks; ++rank) {
    dealt.of_rank.push_back(pack(rows, numbers(rows.size()), budget, packed, {rank, ranks}));
    dealt.tokens.push_back(0);
    for (const MicroBatch& batch : dealt.of_rank.back()) {
      EXPECT_LE(static_cast<int64_t>(batch.ids.size()), budget);
      dealt.rows.insert(batch.rows.begin(), batch.rows.end());
      EXPECT_TRUE(dealt.numbers.insert(batch.number).second);
      dealt.tokens.back() += batch.ids.size();
    }
  }
  return dealt;
}

TEST(Packer, RanksShareTheRowsOfAStep) {
  const Rows rows = rows_of(100, 40);
  for (const bool packed : {true, false})
    for (const int ranks : {1, 2, 3, 8}) {
      const Dealt dealt = dealt_to(ranks, rows, 128, packed);
      EXPECT_EQ(std::vector(dealt.rows.begin(), dealt.rows.end()), numbers(100));
      EXPECT_EQ(*dealt.numbers.rbegin() + 1, static_cast<int64_t>(dealt.numbers.size()));
      const auto [least, most] = std::minmax_element(dealt.tokens.begin(), dealt.tokens.end());
      EXPECT_LE(*most - *least, packed ? 128u : 40u) << ranks;
    }
}

TEST(Packer, RanksGetTheSameNumberOfMicroBatches) {
  const Rows rows = rows_of(100, 40);
  for (const int ranks : {2, 3, 8}) {
    const Dealt dealt = dealt_to(ranks, rows, 128, true);
    for (const auto& batches : dealt.of_rank)
      EXPECT_EQ(batches.size(), dealt.of_rank[0].size()) << ranks;
  }
}

TEST(Packer, RanksBeyondTheRowsGetNothing) {
  const Dealt dealt = dealt_to(4, rows_of(2, 9), 128, true);
  EXPECT_EQ(dealt.rows.size(), 2u);
  EXPECT_EQ(dealt.of_rank[0].size() + dealt.of_rank[1].size() + dealt.of_rank[2].size(), 2u);
  EXPECT_TRUE(dealt.of_rank[3].empty());
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
