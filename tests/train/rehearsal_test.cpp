#include "train/rehearsal.h"

#include <gtest/gtest.h>

namespace slmtune::train {
namespace {

// Rows of these lengths.
data::Rows rows_of(const std::vector<size_t>& lengths) {
  data::Rows rows;
  for (const size_t length : lengths)
    rows.push_back({std::vector<int32_t>(length, 1), std::vector<int32_t>(length, 1)});
  return rows;
}

TEST(RowLengths, AreOfTheLongestRowsOfAStep) {
  const data::Rows rows = rows_of({3, 9, 4, 7});
  EXPECT_EQ(row_lengths(rows, 2).longest, 9);
  EXPECT_EQ(row_lengths(rows, 2).step, 16);
  EXPECT_EQ(row_lengths(rows, 100).step, 23);
  EXPECT_DOUBLE_EQ(row_lengths(rows, 2).mean, 23.0 / 4);
}

TEST(LargestBatch, TakesTheLongestRowsThatFit) {
  const data::Rows rows = rows_of({3, 9, 4, 7});
  EXPECT_EQ(largest_batch(rows, 16, 13, true), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(largest_batch(rows, 16, 16, true), (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(largest_batch(rows, 1, 16, true), (std::vector<uint64_t>{1}));
  EXPECT_EQ(largest_batch(rows, 16, 16, false), (std::vector<uint64_t>{1}));
}

TEST(LargestBatch, HoldsARowLongerThanTheBudget) {
  EXPECT_EQ(largest_batch(rows_of({3, 9}), 16, 8, true), (std::vector<uint64_t>{1}));
}

}  // namespace
}  // namespace slmtune::train
