#include "eval/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace slmtune::eval {
namespace {

SamplingOptions sampling(double temperature, int64_t top_k, double top_p, uint64_t seed = 1) {
  return {.greedy = false,
          .temperature = temperature,
          .top_p = top_p,
          .top_k = top_k,
          .max_tokens = 1,
          .seed = seed};
}

std::vector<int32_t> draw(const SamplingOptions& options, const std::vector<float>& logits,
                          int count) {
  Sampler sampler(options);
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i) ids.push_back(sampler.next(logits));
  return ids;
}

std::set<int32_t> distinct(const std::vector<int32_t>& ids) {
  return {ids.begin(), ids.end()};
}

const std::vector<float> kLogits = {0.5f, 2.0f, 1.5f, -1.0f, 2.0f};

TEST(MostLikely, TakesTheFirstOfEquals) {
  EXPECT_EQ(most_likely(kLogits), 1);
}

TEST(MostLikely, NeverTakesNan) {
  const float nan = std::nanf("");
  EXPECT_EQ(most_likely(std::vector<float>{nan, -5.0f, -6.0f}), 1);
  EXPECT_EQ(most_likely(std::vector<float>{-5.0f, nan}), 0);
}

TEST(Sampler, SameSeedSameTokens) {
  EXPECT_EQ(draw(sampling(1.0, 0, 1.0, 9), kLogits, 100),
            draw(sampling(1.0, 0, 1.0, 9), kLogits, 100));
  EXPECT_NE(draw(sampling(1.0, 0, 1.0, 9), kLogits, 100),
            draw(sampling(1.0, 0, 1.0, 10), kLogits, 100));
}

TEST(Sampler, TopKOfOneIsGreedy) {
  EXPECT_EQ(distinct(draw(sampling(5.0, 1, 1.0), kLogits, 50)), std::set<int32_t>{1});
}

TEST(Sampler, TinyTopPIsGreedy) {
  EXPECT_EQ(distinct(draw(sampling(1.0, 0, 1e-9), kLogits, 50)), std::set<int32_t>{1});
}

TEST(Sampler, TopKKeepsTheBest) {
  EXPECT_EQ(distinct(draw(sampling(10.0, 3, 1.0), kLogits, 300)), (std::set<int32_t>{1, 2, 4}));
}

TEST(Sampler, TopPKeepsTheFewestThatReachIt) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  EXPECT_EQ(distinct(draw(sampling(1.0, 0, 0.6), logits, 300)), (std::set<int32_t>{0, 1}));
}

TEST(Sampler, FrequenciesFollowTheProbabilities) {
  const std::vector<float> logits = {std::log(0.7f), std::log(0.3f)};
  int first = 0;
  for (const int32_t id : draw(sampling(1.0, 0, 1.0), logits, 10000)) first += id == 0 ? 1 : 0;
  EXPECT_NEAR(first / 10000.0, 0.7, 0.02);
}

TEST(Sampler, ColdIsGreedyAndHotIsEven) {
  EXPECT_EQ(distinct(draw(sampling(0.0, 0, 1.0), kLogits, 20)), std::set<int32_t>{1});
  EXPECT_EQ(distinct(draw(sampling(1e-6, 0, 1.0), std::vector<float>{1.0f, 3.0f}, 50)),
            std::set<int32_t>{1});
  EXPECT_EQ(distinct(draw(sampling(1e6, 0, 1.0), kLogits, 300)).size(), kLogits.size());
}

TEST(Sampler, LogitsThatAreNotFiniteAreNeverDrawn) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {-infinity, 1.0f, std::nanf("")};
  EXPECT_EQ(distinct(draw(sampling(10.0, 0, 1.0), logits, 50)), std::set<int32_t>{1});
}

}  // namespace
}  // namespace slmtune::eval
