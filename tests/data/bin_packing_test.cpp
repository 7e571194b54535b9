#include "data/bin_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <set>
#include <string>

#include "core/seed.h"

namespace slmtune::data {
namespace {

std::vector<int64_t> loads_of(const std::vector<std::vector<size_t>>& bins,
                              const std::vector<int64_t>& sizes) {
  std::vector<int64_t> loads;
  for (const auto& bin : bins) {
    loads.push_back(0);
    for (size_t item : bin) loads.back() += sizes[item];
  }
  return loads;
}

TEST(BinPacking, EverySizeIsInOneBinAndNoBinIsOverTheBudget) {
  SplitMix64 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> sizes(1 + random.below(80));
    for (int64_t& size : sizes) size = 1 + static_cast<int64_t>(random.below(700));
    std::set<size_t> seen;
    for (const auto& bin : pack_bins(sizes, 512)) {
      int64_t load = 0;
      for (size_t item : bin) {
        EXPECT_TRUE(seen.insert(item).second);
        load += sizes[item];
      }
      EXPECT_TRUE(load <= 512 || bin.size() == 1);
    }
    EXPECT_EQ(seen.size(), sizes.size());
  }
}

TEST(BinPacking, NothingGivesNoBins) {
  EXPECT_TRUE(pack_bins({}, 10).empty());
}

TEST(BinPacking, TakesNoMoreBinsThanFirstFitDecreasing) {
  // Largest-first into the emptiest bin alone would need a third one.
  const std::vector<int64_t> sizes = {6, 5, 4, 3, 2};
  EXPECT_EQ(pack_bins(sizes, 10).size(), 2u);
}

TEST(BinPacking, MakesTheBinsEqual) {
  const std::vector<int64_t> sizes = {7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(loads_of(pack_bins(sizes, 20), sizes), (std::vector<int64_t>{14, 14}));
}

TEST(BinPacking, IsDeterministic) {
  const std::vector<int64_t> sizes = {5, 5, 5, 4, 4, 3, 3, 3, 2};
  EXPECT_EQ(pack_bins(sizes, 9), pack_bins(sizes, 9));
}

// Over the steps of an epoch: tokens per place of the longest micro-batch, tokens per budget, and
// the share of steps that have the fewest micro-batches that their tokens can have.
struct Fill {
  double level = 0, budget = 0, fewest = 0;
};

Fill fill_of(const std::vector<int64_t>& lengths, size_t batch_rows, int64_t budget) {
  const std::vector<uint64_t> order = permutation(lengths.size(), 7);
  double tokens = 0, level = 0, room = 0, fewest = 0, steps = 0;
  for (size_t first = 0; first < order.size(); first += batch_rows, ++steps) {
    std::vector<int64_t> sizes;
    for (size_t i = first; i < std::min(first + batch_rows, order.size()); ++i)
      sizes.push_back(lengths[order[i]]);
    const std::vector<int64_t> loads = loads_of(pack_bins(sizes, budget), sizes);
    const int64_t sum = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
    const auto bins = static_cast<double>(loads.size());
    tokens += static_cast<double>(sum);
    level += bins * static_cast<double>(*std::max_element(loads.begin(), loads.end()));
    room += bins * static_cast<double>(budget);
    fewest += std::ceil(static_cast<double>(sum) / static_cast<double>(budget)) == bins;
  }
  return {tokens / level, tokens / room, fewest / steps};
}

// Measures every setting of the recipe's usual range, prints them and returns the worst level.
double worst_fill(const std::string& name, const std::vector<int64_t>& lengths) {
  double worst = 1;
  for (const size_t batch_rows : {8u, 16u, 32u, 64u})
    for (const int64_t budget : {1024, 2048, 4096}) {
      const Fill fill = fill_of(lengths, batch_rows, budget);
      std::printf(
          "%-10s batch_rows %2zu budget %4lld: fill %.4f, of the budget %.4f, fewest %.3f\n",
          name.c_str(), batch_rows, static_cast<long long>(budget), fill.level, fill.budget,
          fill.fewest);
      worst = std::min(worst, fill.level);
    }
  return worst;
}

std::vector<int64_t> synthetic(const std::string& name) {
  SplitMix64 random(3);
  std::vector<int64_t> lengths(4096);
  for (int64_t& length : lengths) {
    const double u = random.uniform(), v = random.uniform();
    const double normal = std::sqrt(-2 * std::log(1 - u)) * std::cos(6.283185307 * v);
    const double value = name == "uniform"   ? 20 + 480 * u
                         : name == "chat"    ? std::exp(5.0 + 0.7 * normal)
                         : name == "answers" ? 60 + 15 * normal
                                             : (u < 0.9 ? 80 + 60 * v : 400 + 400 * v);
    length = std::clamp<int64_t>(std::llround(value), 8, 1024);
  }
  return lengths;
}

TEST(BinPacking, FillsAtLeast97PercentOfTheLongestMicroBatch) {
  for (const char* name : {"uniform", "chat", "answers", "two kinds"})
    EXPECT_GE(worst_fill(name, synthetic(name)), 0.97) << name;
}

// Rows of gsm8k, about four bytes a token, when SLMTUNE_GSM8K names the folder of train.jsonl.
TEST(BinPacking, FillsAtLeast97PercentOnGsm8k) {
  const char* folder = std::getenv("SLMTUNE_GSM8K");
  if (folder == nullptr) GTEST_SKIP() << "SLMTUNE_GSM8K does not name a folder";
  std::ifstream lines(std::string(folder) + "/train.jsonl");
  std::vector<int64_t> lengths;
  for (std::string line; std::getline(lines, line);)
    lengths.push_back(1 + static_cast<int64_t>(line.size()) / 4);
  ASSERT_GT(lengths.size(), 1000u);
  EXPECT_GE(worst_fill("gsm8k", lengths), 0.97);
}

}  // namespace
}  // namespace slmtune::data
