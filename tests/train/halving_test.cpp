#include "train/halving.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/train/tiny_preference.h"

namespace slmtune::train {
namespace {

TEST(Halved, IsHalfOfWhatWasTried) {
  EXPECT_EQ(halved(4096, {.tokens = 3000, .lines = 5}), 1500);
  EXPECT_EQ(halved(2048, {.tokens = 3000, .lines = 2}), 1024) << "a pair above the limit";
}

TEST(Halved, IsHalfOfTheLimitWhenNothingIsKnown) {
  EXPECT_EQ(halved(4096, {}), 2048);
  EXPECT_EQ(halved(1, {}), 0);
}

TEST(Halved, CannotCutALine) {
  EXPECT_EQ(halved(4096, {.tokens = 3000, .lines = 1}), 0);
}

TEST(Halvings, AreReadAsTheyWereWritten) {
  const std::vector<Halving> halvings = {{3, 4096, 2048}, {9, 2048, 800}};
  const std::vector<Halving> read =
      read_halvings(Json::parse(halvings_json(halvings).dump()), "state.json");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].step, 9);
  EXPECT_EQ(read[1].from, 2048);
  EXPECT_EQ(read[1].to, 800);
}

TEST(Halvings, ThatCannotBeAreRefused) {
  for (const char* text :
       {"{}", "[1]", "[{}]", R"([{"step": -1, "from": 8, "to": 4}])",
        R"([{"step": 1, "from": 8, "to": 0}])", R"([{"step": 1, "from": 4, "to": 8}])",
        R"([{"step": "1", "from": 8, "to": 4}])"})
    EXPECT_THROW(read_halvings(Json::parse(text), "state.json"), FileFormatError) << text;
}

TEST(TriedRows, CountsLinesAndNotThePartsOfAPair) {
  const data::Dataset pairs = testing::tiny_pairs(3);
  const uint64_t rows[] = {2, 3, 4, 5};
  const Tried tried = tried_rows(pairs.rows, rows);
  EXPECT_EQ(tried.lines, 2u);
  EXPECT_EQ(tried.tokens, pairs.rows.length(2) + pairs.rows.length(3) + pairs.rows.length(4) +
                              pairs.rows.length(5));
}

}  // namespace
}  // namespace slmtune::train
