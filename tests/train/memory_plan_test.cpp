// The memory and time model against the figures that were worked out by hand for published models
// (1 GiB = 2^30 bytes; rank 16 on all linears, NF4 with double quantisation, bfloat16).
#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "models/facts.h"
#include "tests/support/raises.h"
#include "train/gpu_facts.h"
#include "train/time_plan.h"

namespace slmtune::train {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

struct Published {
  const char* name;
  double linears;                          // billions of values
  double base, embeddings, adapter_state;  // GiB
  double kept_2k, kept_4k;                 // total without recomputation
  double once, all, selective;             // GFLOP per token at 2048 tokens
};

constexpr Published kModels[] = {
    {"llama3.2-1b", 0.97, 0.47, 0.49, 0.17, 3.5, 5.1, 5.5, 7.6, 6.9},
    {"qwen2.5-1.5b", 1.31, 0.63, 0.43, 0.28, 4.8, 7.4, 6.9, 9.7, 8.8},
    {"llama3.2-3b", 2.82, 1.35, 0.73, 0.36, 6.5, 10.0, 14.2, 20.3, 18.5},
    {"mistral-7b-v0.3", 6.98, 3.35, 0.50, 0.62, 11.1, 17.2, 30.6, 45.2, 40.9},
    {"qwen2.5-7b", 6.53, 3.14, 2.03, 0.60, 12.4, 18.4, 30.0, 43.5, 39.3},
    {"llama3.1-8b", 6.98, 3.35, 1.96, 0.62, 12.6, 18.7, 32.1, 46.7, 42.4},
    {"gemma2-2b", 2.02, 0.97, 1.10, 0.31, 6.3, 9.2, 11.3, 15.7, 14.3},
    {"gemma2-9b", 8.32, 4.00, 1.71, 0.80, 15.2, 23.1, 39.8, 57.2, 52.2},
    {"phi4-14b", 13.63, 6.55, 1.91, 0.98, 19.5, 28.8, 59.9, 88.1, 80.0},
    {"qwen2.5-14b", 13.21, 6.35, 2.90, 1.03, 20.4, 30.0, 59.9, 87.5, 79.7},
    {"mistral-small-22b", 21.84, 10.49, 0.75, 1.42, 26.4, 39.5, 93.7, 139, 126},
};

double gib(uint64_t bytes) {
  return static_cast<double>(bytes) / kGib;
}

PlanSetting qlora(int64_t tokens) {
  return {.quant = "nf4", .micro_batch_tokens = tokens, .program = static_cast<uint64_t>(kGib / 2)};
}

ModelSizes sizes_of_known(const char* name) {
  return sizes_of(models::find_facts(name)->config);
}

// Phi's fused matrices get one adapter where others get two or three: a little less state.
bool has_fused_matrices(const std::string& name) {
  return name.starts_with("phi");
}

TEST(MemoryPlan, WeightsAndAdaptersAreThoseOfTheTable) {
  for (const Published& row : kModels) {
    const ModelSizes sizes = sizes_of_known(row.name);
    const MemoryPlan plan = plan_memory(sizes, lora_sizes(sizes, {}), qlora(2048));
    EXPECT_NEAR(static_cast<double>(sizes.linear_values()) / 1e9, row.linears, 0.006) << row.name;
    EXPECT_NEAR(gib(plan.base), row.base, 0.015) << row.name;
    EXPECT_NEAR(gib(plan.embeddings), row.embeddings, 0.006) << row.name;
    const double state = gib(plan.adapter + plan.gradients + plan.optimizer);
    if (!has_fused_matrices(row.name)) {
      EXPECT_NEAR(state, row.adapter_state, 0.006) << row.name;
    }
  }
}

// What the table leaves out: the inputs of Gemma's norms behind a half.
double norm_inputs(const ModelSizes& sizes, int64_t tokens) {
  return sizes.norms_after ? 4.0 * static_cast<double>(sizes.hidden * sizes.layers() * tokens) : 0;
}

// Within four parts of a hundred: ranks and the rows of the loss are counted here and not in the
// table.
TEST(MemoryPlan, TotalsWithoutRecomputationAreThoseOfTheTable) {
  for (const Published& row : kModels) {
    const ModelSizes sizes = sizes_of_known(row.name);
    const TrainedSizes trained = lora_sizes(sizes, {});
    const auto total = [&](int64_t tokens) {
      const uint64_t planned = plan_memory(sizes, trained, qlora(tokens)).total();
      return (static_cast<double>(planned) - norm_inputs(sizes, tokens)) / kGib;
    };
    EXPECT_NEAR(total(2048) / row.kept_2k, 1.0, 0.04) << row.name;
    EXPECT_NEAR(total(4096) / row.kept_4k, 1.0, 0.04) << row.name;
  }
}

TEST(MemoryPlan, KeptBytesAreTheFormula) {
  const ModelSizes sizes = sizes_of_known("mistral-7b-v0.3");
  // 2·(2H + 2Q + 2K + 2I) + 4·heads: 104 kB per layer and token, and no adapter.
  EXPECT_EQ(kept_bytes_per_token(sizes, {}, {}),
            32 * (2.0 * (2 * 4096 + 2 * 4096 + 2 * 1024 + 2 * 14336) + 4 * 32));
  EXPECT_EQ(kept_bytes_per_token(sizes, {}, {.recompute = kAllLayers}),
            32 * (2.0 * (2 * 4096 + 4096) + 4 * 32));
}

TEST(MemoryPlan, EveryRecomputedLayerTakesLess) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  PlanSetting setting = qlora(4096);
  uint64_t before = plan_memory(sizes, trained, setting).activations;
  for (setting.recompute = 1; setting.recompute <= sizes.layers(); ++setting.recompute) {
    const uint64_t now = plan_memory(sizes, trained, setting).activations;
    EXPECT_LT(now, before);
    before = now;
  }
  setting.recompute = kAllLayers;  // more than there are: all
  EXPECT_EQ(plan_memory(sizes, trained, setting).activations, before);
}

TEST(MemoryPlan, QuantisedWeightsAreAsLargeAsTheirFormatSays) {
  EXPECT_NEAR(static_cast<double>(stored_bytes("nf4", 2, 1'000'000, 1)), 515'869, 1);
  EXPECT_EQ(stored_bytes("int8", 2, 1'000'000, 1000), 1'004'000u);
  EXPECT_EQ(stored_bytes("none", 2, 1'000'000, 1000), 2'000'000u);
}

TEST(MemoryPlan, EightBitMomentsTakeAQuarter) {
  const TrainedSizes trained{.tensors = {1 << 20, 4095}, .ranks = 16};
  EXPECT_EQ(moment_bytes("adamw", 4, trained), 8u * ((1 << 20) + 4095));
  EXPECT_EQ(moment_bytes("adamw8bit", 4, trained), 2u * (1 << 20) + 8u * 4096 + 8u * 4095);
}

TEST(MemoryPlan, FullTrainingHasGradientsAndMomentsOfEveryWeight) {
  const auto facts = models::find_facts("qwen2.5-0.5b");
  const ModelSizes sizes = sizes_of(facts->config);
  const TrainedSizes trained = full_sizes(facts->config);
  EXPECT_EQ(trained.values(), *facts->parameters);
  EXPECT_EQ(sizes.parameters(), *facts->parameters);
  const MemoryPlan plan = plan_memory(sizes, trained, {.value_bytes = 4, .full = true});
  EXPECT_EQ(plan.adapter, 0u);
  EXPECT_EQ(plan.base + plan.embeddings + plan.gradients + plan.optimizer,
            16u * static_cast<uint64_t>(*facts->parameters));
}

TEST(FitTo, TakesTheWholeMicroBatchWhereThereIsRoom) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const PlanSetting fit = fit_to(static_cast<uint64_t>(20 * kGib), sizes, trained, qlora(0), {});
  EXPECT_EQ(fit.micro_batch_tokens, 4096);
  EXPECT_EQ(fit.recompute, 0);
}

TEST(FitTo, HalvesTheMicroBatchBeforeItRecomputes) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const auto budget = [&](double size) {
    return fit_to(static_cast<uint64_t>(size * kGib), sizes, trained, qlora(0),
                  {.least_tokens = 600});
  };
  EXPECT_EQ(budget(5.1).micro_batch_tokens, 2048);
  EXPECT_EQ(budget(5.1).recompute, 0);
  EXPECT_EQ(budget(3.0).micro_batch_tokens, 1024);
  EXPECT_GT(budget(3.0).recompute, 0);
  EXPECT_LT(budget(3.0).recompute, sizes.layers());
  EXPECT_EQ(budget(1.0).micro_batch_tokens, 600);  // the smallest; it does not fit
  EXPECT_EQ(budget(1.0).recompute, sizes.layers());
}

TEST(FitTo, LeavesWhatTheRecipeSays) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const PlanSetting fit =
      fit_to(0, sizes, trained, qlora(0), {.micro_batch_tokens = 3000, .recompute = 5});
  EXPECT_EQ(fit.micro_batch_tokens, 3000);
  EXPECT_EQ(fit.recompute, 5);
}

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

TEST(TimePlan, CostsAreTimeTimesPowerTimesPrice) {
  const RunCost cost = run_cost(3.6e6, 1e9, 1e12, 300, 0.5);
  EXPECT_DOUBLE_EQ(cost.tokens_per_second, 1000);
  EXPECT_DOUBLE_EQ(cost.seconds, 3600);
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

TEST(GpuFacts, UnknownCardsAreRefusedWithTheNearest) {
  EXPECT_TRUE(testing::raises("U008", {"'rtx-4091' is no card", "did you mean 'rtx-4090'?"},
                              [] { find_gpu("rtx-4091"); }));
  EXPECT_TRUE(testing::raises("U008", {"may be any of several cards", "'rtx-5070-12gb'"},
                              [] { find_gpu("50"); }));
  EXPECT_TRUE(testing::raises("N001", {"no-such.yaml"}, [] { find_gpu("no-such.yaml"); }));
}

}  // namespace
}  // namespace slmtune::train
