#include "eval/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/eval/successor_model.h"

namespace slmtune::eval {
namespace {

constexpr int64_t kVocabulary = 10;
const std::map<int32_t, int32_t> kChain = {{1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}};

AgreementRow row(std::vector<int32_t> ids, int64_t prompt) {
  AgreementRow result{std::move(ids), {}, prompt};
  for (size_t i = 0; i < result.ids.size(); ++i)
    result.is_trained.push_back(static_cast<int64_t>(i) >= prompt);
  return result;
}

Agreement agreement_of(SuccessorModel& model, SuccessorModel& copy,
                       const std::vector<AgreementRow>& rows, AgreementOptions options = {}) {
  options.max_tokens = 4;
  return agreement_with(testimony(model, rows, options), copy);
}

// Of the successor, and of each other token.
double likely(double margin) {
  return std::exp(margin) / (std::exp(margin) + kVocabulary - 1);
}
double unlikely(double margin) {
  return 1.0 / (std::exp(margin) + kVocabulary - 1);
}

TEST(Agreement, AModelAgreesWithItselfWholly) {
  SuccessorModel model(kVocabulary, kChain);
  const Agreement found = agreement_of(model, model, {row({1, 2, 3}, 1), row({4, 5}, 1)});
  EXPECT_EQ(found.rows, 2);
  EXPECT_EQ(found.answer_tokens, 8);
  EXPECT_EQ(found.measured_tokens, 3);
  EXPECT_EQ(found.greedy_agreement, 1.0);
  EXPECT_EQ(found.identical_answers, 1.0);
  EXPECT_EQ(found.top1_agreement, 1.0);
  EXPECT_EQ(found.mean_divergence, 0.0);
  EXPECT_EQ(found.p99_divergence, 0.0);
  EXPECT_EQ(found.perplexity_increase(), 0.0);
}

TEST(Agreement, OneOtherTokenIsCountedInEachFigure) {
  SuccessorModel model(kVocabulary, kChain);
  std::map<int32_t, int32_t> other = kChain;
  other[3] = 9;
  SuccessorModel copy(kVocabulary, other);
  // The answers to 1 and to 5 are 2 3 4 5 and 6 0 0 0.
  const Agreement found = agreement_of(model, copy, {row({1, 2, 3, 4}, 1), row({5, 6}, 1)});
  EXPECT_DOUBLE_EQ(found.greedy_agreement, 7.0 / 8.0);
  EXPECT_DOUBLE_EQ(found.identical_answers, 0.5);
  EXPECT_DOUBLE_EQ(found.top1_agreement, 3.0 / 4.0);
}

TEST(Agreement, DivergenceAndPerplexityAreThoseOfTheProbabilities) {
  constexpr double kModel = 3.0, kCopy = 2.0;
  SuccessorModel model(kVocabulary, kChain, 64, kModel), copy(kVocabulary, kChain, 64, kCopy);
  const Agreement found = agreement_of(model, copy, {row({1, 2, 3}, 1)});
  const double p = likely(kModel), q = likely(kCopy), p_other = unlikely(kModel),
               q_other = unlikely(kCopy);
  const double expected =
      p * std::log(p / q) + (kVocabulary - 1) * p_other * std::log(p_other / q_other);
  EXPECT_NEAR(found.mean_divergence, expected, 1e-6);
  EXPECT_NEAR(found.p99_divergence, expected, 1e-6);
  EXPECT_EQ(found.kept_tokens, kVocabulary);
  EXPECT_NEAR(found.model_perplexity, 1.0 / p, 1e-5);
  EXPECT_NEAR(found.copy_perplexity, 1.0 / q, 1e-5);
  EXPECT_NEAR(found.perplexity_increase(), p / q - 1.0, 1e-5);
}

TEST(Agreement, TokensThatAreNotKeptCountAsOne) {
  std::map<int32_t, int32_t> other = kChain;
  other[2] = 7;
  SuccessorModel model(kVocabulary, kChain, 64, 2.0), copy(kVocabulary, other, 64, 2.0);
  const std::vector<AgreementRow> rows = {row({1, 2, 3}, 1)};
  const double whole = agreement_of(model, copy, rows).mean_divergence;
  AgreementOptions few;
  few.kept_tokens = 1;
  const Agreement lumped = agreement_of(model, copy, rows, few);
  // After 2 the model holds 3 for likeliest, the copy 7.
  const double p = likely(2.0), q = unlikely(2.0);
  EXPECT_NEAR(lumped.mean_divergence,
              0.5 * (p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q))), 1e-6);
  EXPECT_LT(lumped.mean_divergence, whole);
  EXPECT_EQ(lumped.kept_tokens, 1);
}

TEST(Agreement, TheNinetyNinthPercentileLeavesTheWorstOfAHundredOut) {
  std::map<int32_t, int32_t> other = kChain;
  other[2] = 7;
  SuccessorModel model(kVocabulary, kChain, 256), copy(kVocabulary, other, 256);
  std::vector<int32_t> ids(101, 9);
  ids[50] = 2;
  EXPECT_EQ(agreement_of(model, copy, {row(ids, 1)}).p99_divergence, 0.0);
  ids[60] = 2;
  EXPECT_GT(agreement_of(model, copy, {row(ids, 1)}).p99_divergence, 1.0);
}

TEST(Agreement, WhereTheModelStopsTheCopyMustStop) {
  AgreementOptions options;
  options.stop_ids = {3, 8};
  SuccessorModel model(kVocabulary, kChain);
  const std::vector<AgreementRow> rows = {row({1, 2}, 1)};
  const Agreement same = agreement_of(model, model, rows, options);
  EXPECT_EQ(same.answer_tokens, 2) << "2 and the stop";
  std::map<int32_t, int32_t> other_stop = kChain, goes_on = kChain;
  other_stop[2] = 8;
  goes_on[2] = 4;
  SuccessorModel stops(kVocabulary, other_stop), talks(kVocabulary, goes_on);
  EXPECT_EQ(agreement_of(model, stops, rows, options).identical_answers, 1.0);
  EXPECT_EQ(agreement_of(model, talks, rows, options).greedy_agreement, 0.5);
}

TEST(Agreement, APromptThatFillsTheContextIsOnlyMeasured) {
  SuccessorModel model(kVocabulary, kChain, /*max_positions=*/3);
  const Agreement found =
      agreement_of(model, model, {AgreementRow{{1, 2, 3}, {true, true, true}, 3}});
  EXPECT_EQ(found.answer_tokens, 0);
  EXPECT_EQ(found.measured_tokens, 2);
  EXPECT_EQ(found.greedy_agreement, 1.0);
}

TEST(Agreement, ACopyWithoutNumbersIsSeen) {
  SuccessorModel model(kVocabulary, kChain),
      broken(kVocabulary, kChain, 64, std::numeric_limits<double>::quiet_NaN());
  const Agreement found = agreement_of(model, broken, {row({1, 2, 3}, 1)});
  EXPECT_TRUE(std::isnan(found.mean_divergence));
  EXPECT_TRUE(std::isnan(found.p99_divergence));
  EXPECT_TRUE(std::isnan(found.copy_perplexity));
}

}  // namespace
}  // namespace slmtune::eval
