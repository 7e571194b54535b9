// Arithmetic, time and cost, and the facts of cards, against the figures of published_models.h.
#include "train/time_plan.h"

#include <gtest/gtest.h>

#include "tests/support/raises.h"
#include "tests/train/published_models.h"
#include "train/gpu_facts.h"

namespace slmtune::train {
namespace {

using namespace testing;

TEST(TimePlan, OperationsPerTokenAreThoseOfTheTable) {
  for (const Published& row : kModels) {
    const ModelSizes sizes = sizes_of_known(row.name);
    const TrainedSizes trained = lora_sizes(sizes, {});
    const FlopsPerToken flops = flops_per_token(sizes, trained, {.row_tokens = 2048});
    const double once = (flops.forward + flops.backward) / 1e9;
    const auto near = [](double value) { return value >= 100 ? 0.6 : 0.06 + value * 0.004; };
    EXPECT_NEAR(once, row.once, near(row.once)) << row.name;
    EXPECT_NEAR(once + flops.full_recompute / 1e9, row.all, near(row.all)) << row.name;
    EXPECT_NEAR(once + flops.selective / 1e9, row.selective, near(row.selective)) << row.name;
  }
}

TEST(TimePlan, OnlyTokensWithLabelsMeetTheHead) {
  const ModelSizes sizes = sizes_of_known("llama3.2-1b");
  const double all = flops_per_token(sizes, {}, {.label_share = 1}).total;
  const double half = flops_per_token(sizes, {}, {.label_share = 0.5}).total;
  EXPECT_NEAR(all - half, 2.0 * 128'256 * 2048, 1);
}

// At 100 % of the rate, within three parts of a hundred.
TEST(TimePlan, CeilingsAreThoseOfTheTable) {
  for (const Ceiling& row : kCeilings) {
    const ModelSizes sizes = sizes_of_known(row.name);
    const TrainedSizes trained = lora_sizes(sizes, {});
    const auto check = [&](const char* card, const double(&expected)[2]) {
      const double rate = find_gpu(card).bf16_tflops * 1e12;
      const int64_t layers = sizes.layers();
      const FlopsPerToken once = flops_per_token(sizes, trained, {.row_tokens = 2048});
      const FlopsPerToken all = flops_per_token(
          sizes, trained, {.row_tokens = 2048, .recompute = layers, .whole = layers});
      const ReachedShare full{1, 1, 1};
      const std::string what = std::string(row.name) + " " + card;
      EXPECT_NEAR(speed_by_share(once.total, rate, full).expected / expected[0], 1, 0.03) << what;
      EXPECT_NEAR(speed_by_share(all.total, rate, full).expected / expected[1], 1, 0.03) << what;
    };
    check("rtx-4090", row.rtx4090);
    check("rtx-3060-12gb", row.rtx3060);
    check("rtx-5090", row.rtx5090);
    check("h200", row.h200);
  }
}

TEST(TimePlan, WholeLayersCostAllOfTheirForwardPassAgain) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-7b");
  const FlopsPerToken flops = flops_per_token(sizes, {}, {.recompute = 14, .whole = 7});
  EXPECT_NEAR(flops.total, flops.needed() + 0.25 * flops.full_recompute + 0.25 * flops.selective,
              1);
}

// By published rates of an RTX 4090: 19 ms to write all weights out, 187 kB of activations passed
// per token, layer and forward pass, 4·(Q + 2K + 2H + 2I) bytes of adapters' outputs.
TEST(TimePlan, WhatIsNoProductIsThatOfTheReference) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-7b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const MachineRates rates{
      .peak = 165.2e12, .layers = 165.2e12, .copy = 1008e9, .dequantise = 0.85 * 1008e9 / 2.516};
  const TokenTime time =
      token_time(sizes, trained, {.quant = "nf4", .micro_batch_tokens = 2048}, 30e9, rates);
  EXPECT_NEAR(time.products * 1e6, 182, 1);
  EXPECT_NEAR(time.dequantise * 2048 / 2 * 1e3, 19, 0.5);
  const double passed = 3 * 187.4e3 * 28 / 1008e9, adapted = 2 * 5.6e6 / 1008e9;
  EXPECT_NEAR(time.passes / (passed + adapted), 1, 0.02);
  EXPECT_DOUBLE_EQ(time.total(), time.products + time.dequantise + time.passes);
}

TEST(TimePlan, EstimatesHaveTheirExpectationWithinTheirRange) {
  const Speed card = speed_by_share(30e9, 165.2e12, {0.65, 0.5, 0.8});
  EXPECT_DOUBLE_EQ(card.expected, 0.65 * 165.2e12 / 30e9);
  const Speed probed = speed_by_rates({.products = 1e-4, .dequantise = 1e-5, .passes = 2e-5});
  EXPECT_DOUBLE_EQ(probed.fast, 1 / 1.3e-4);
  for (const Speed& speed : {card, probed}) {
    EXPECT_LT(speed.slow, speed.expected);
    EXPECT_LT(speed.expected, speed.fast);
  }
}

TEST(TimePlan, CostsAreTimeTimesPowerTimesPrice) {
  const RunCost cost = run_cost(3.6e6, {1000, 500, 2000}, 300, 0.5);
  EXPECT_DOUBLE_EQ(cost.seconds, 3600);
  EXPECT_DOUBLE_EQ(cost.least_seconds, 1800);
  EXPECT_DOUBLE_EQ(cost.most_seconds, 7200);
  EXPECT_DOUBLE_EQ(cost.kilowatt_hours, 0.3);
  EXPECT_DOUBLE_EQ(cost.price, 0.15);
}

TEST(GpuFacts, NameEveryCardOnceAndCompletely) {
  const auto cards = all_gpus();
  EXPECT_GE(cards.size(), 10u);
  for (const GpuFacts& card : cards) {
    EXPECT_EQ(find_gpu(card.name).title, card.title);
    EXPECT_GT(card.bf16_tflops, 10);
    EXPECT_GT(card.board_watts, 100);
    EXPECT_LT(card.efficiency, 0.85);
  }
}

TEST(GpuFacts, AreFoundByWhatPeopleWrite) {
  EXPECT_EQ(find_gpu("4090").name, "rtx-4090");
  EXPECT_EQ(find_gpu("RTX 3060").name, "rtx-3060-12gb");
  EXPECT_EQ(find_gpu("NVIDIA GeForce RTX 4070 Ti SUPER").name, "rtx-4070-ti-super");
  EXPECT_EQ(find_gpu("RTX 5070 Ti").name, "rtx-5070-ti");
}

TEST(GpuFacts, OfADriversNameAreThoseOfOneCard) {
  EXPECT_EQ(known_gpu("NVIDIA GeForce RTX 4090")->name, "rtx-4090");
  EXPECT_EQ(known_gpu("NVIDIA H200")->name, "h200");
  EXPECT_FALSE(known_gpu("Some Other Card"));
}

TEST(GpuFacts, UnknownCardsAreRefusedWithTheNearest) {
  EXPECT_TRUE(slmtune::testing::raises(
      "U008", {"'rtx-4091' is no card", "did you mean 'rtx-4090'?"}, [] { find_gpu("rtx-4091"); }));
  EXPECT_TRUE(slmtune::testing::raises("U008", {"may be any of several cards", "'rtx-5070-12gb'"},
                                       [] { find_gpu("50"); }));
  EXPECT_TRUE(slmtune::testing::raises("N001", {"no-such.yaml"}, [] { find_gpu("no-such.yaml"); }));
}

}  // namespace
}  // namespace slmtune::train
