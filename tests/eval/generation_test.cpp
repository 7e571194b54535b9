#include "eval/generation.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tests/eval/successor_model.h"

namespace slmtune::eval {
namespace {

using Ids = std::vector<int32_t>;

SuccessorModel counting() {
  return {8, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 7}, {7, 0}}};
}

SamplingOptions greedy(int64_t max_tokens) {
  return {.max_tokens = max_tokens};
}

std::string code_of(const Ids& prompt, int64_t max_tokens) {
  SuccessorModel model = counting();
  try {
    generate(model, prompt, {}, greedy(max_tokens));
  } catch (const UserError& error) {
    return error.code();
  }
  return "";
}

TEST(Generate, FollowsTheModelToTheLimit) {
  SuccessorModel model = counting();
  EXPECT_EQ(generate(model, Ids{0, 1, 2}, {}, greedy(4)), (Ids{3, 4, 5, 6}));
}

TEST(Generate, RunsTheModelOncePerToken) {
  SuccessorModel model = counting();
  generate(model, Ids{0, 1, 2}, {}, greedy(4));
  EXPECT_EQ(model.calls, 4);
}

TEST(Generate, EndsBeforeAnyStopToken) {
  SuccessorModel model = counting();
  EXPECT_EQ(generate(model, Ids{0}, Ids{6, 4}, greedy(20)), (Ids{1, 2, 3}));
  EXPECT_EQ(generate(model, Ids{3}, Ids{4}, greedy(20)), Ids{});
}

TEST(Generate, CallerSeesEachTokenAndMayStop) {
  SuccessorModel model = counting();
  Ids seen;
  const Ids made = generate(model, Ids{0}, {}, greedy(20), [&](int32_t id) {
    seen.push_back(id);
    return id != 3;
  });
  EXPECT_EQ(seen, (Ids{1, 2, 3}));
  EXPECT_EQ(made, seen);
}

TEST(Generate, NoTokensAskedForNoneMade) {
  SuccessorModel model = counting();
  EXPECT_EQ(generate(model, Ids{0}, {}, greedy(0)), Ids{});
  EXPECT_EQ(model.calls, 0);
}

TEST(Generate, SampledTokensDependOnTheSeedOnly) {
  SuccessorModel model(50, {}, 1000);
  SamplingOptions options{
      .greedy = false, .temperature = 1.0, .top_p = 1.0, .top_k = 0, .max_tokens = 40, .seed = 3};
  const Ids first = generate(model, Ids{0}, {}, options);
  EXPECT_EQ(generate(model, Ids{0}, {}, options), first);
  options.seed = 4;
  EXPECT_NE(generate(model, Ids{0}, {}, options), first);
}

TEST(Generate, TopKOfOneEqualsGreedy) {
  SuccessorModel model = counting();
  const SamplingOptions one{
      .greedy = false, .temperature = 3.0, .top_p = 1.0, .top_k = 1, .max_tokens = 12};
  EXPECT_EQ(generate(model, Ids{2}, {}, one), generate(model, Ids{2}, {}, greedy(12)));
}

TEST(Generate, LeavesTheThreadCountAsItWas) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  SuccessorModel model = counting();
  generate(model, Ids{0}, {}, greedy(2));
  EXPECT_EQ(at::get_num_threads(), 2);
  EXPECT_THROW(generate(model, Ids{}, {}, greedy(2)), UserError);
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(before);
}

TEST(Generate, RefusesToLeaveTheContext) {
  EXPECT_EQ(code_of(Ids(60, 1), 4), "");
  EXPECT_EQ(code_of(Ids(60, 1), 5), "D030");
  EXPECT_EQ(code_of(Ids(70, 1), 1), "D030");
  EXPECT_EQ(code_of(Ids{1}, INT64_MAX), "D030");
}

TEST(Generate, RefusesAnEmptyPrompt) {
  EXPECT_EQ(code_of({}, 5), "D031");
}

}  // namespace
}  // namespace slmtune::eval
