// What `auto` stands for: the micro-batch and the recomputed layers that a plan chooses.
#include "train/memory_fit.h"

#include <gtest/gtest.h>

#include "tests/train/published_models.h"
#include "train/train_config.h"

namespace slmtune::train {
namespace {

using namespace testing;

PlanSetting qlora(int64_t tokens) {
  return {.quant = "nf4", .micro_batch_tokens = tokens, .program = static_cast<uint64_t>(kGib / 2)};
}

TEST(FitTo, TakesTheWholeMicroBatchWhereThereIsRoom) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const PlanSetting fit = fit_to(static_cast<uint64_t>(20 * kGib), sizes, trained, qlora(0), {});
  EXPECT_EQ(fit.micro_batch_tokens, 4096);
  EXPECT_EQ(fit.recompute, 0);
}

TEST(FitTo, ReturnsTheSmallestSettingWhereNothingFits) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const PlanSetting fit = fit_to(static_cast<uint64_t>(kGib), sizes, lora_sizes(sizes, {}),
                                 qlora(0), {.least_tokens = 600});
  EXPECT_EQ(fit.micro_batch_tokens, 600);
  EXPECT_EQ(fit.recompute, sizes.layers());
  EXPECT_EQ(fit.whole, sizes.layers());
}

// Among all micro-batches and numbers of recomputed layers that fit.
TEST(FitTo, TakesWhatCostsLeastOnAGpu) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  for (const double size : {2.4, 3.0, 4.0, 5.1, 7.0}) {
    const auto budget = static_cast<uint64_t>(size * kGib);
    const PlanSetting fit = fit_to(budget, sizes, trained, qlora(0), {.least_tokens = 600});
    EXPECT_LE(plan_memory(sizes, trained, fit).total(), budget) << size;
    const double least = step_cost(sizes, trained, fit);
    for (int64_t tokens = 640; tokens <= 4096; tokens += 128)
      for (int64_t again = 0; again <= 2 * sizes.layers(); ++again) {
        PlanSetting other = qlora(tokens);
        other.recompute = std::min(again, sizes.layers());
        other.whole = again - other.recompute;
        if (plan_memory(sizes, trained, other).total() > budget) continue;
        EXPECT_GT(step_cost(sizes, trained, other), 0.98 * least)
            << size << ": " << tokens << ", " << again;
      }
  }
}

// Up to the budget, and no layer recomputes that need not.
TEST(FitTo, FillsACard) {
  for (const char* name : {"llama3.1-8b", "qwen2.5-14b", "mistral-small-22b"})
    for (const double size : {16, 24}) {
      const ModelSizes sizes = sizes_of_known(name);
      const TrainedSizes trained = lora_sizes(sizes, {});
      const auto budget = static_cast<uint64_t>(0.95 * size * kGib);
      PlanSetting fit = fit_to(budget, sizes, trained, qlora(0), {.most_tokens = 16'384});
      const uint64_t total = plan_memory(sizes, trained, fit).total();
      if (fit.whole == sizes.layers()) continue;  // the smallest setting
      EXPECT_LE(total, budget) << name;
      EXPECT_GT(total, 0.9 * static_cast<double>(budget)) << name;
      if (fit.recompute == 0) continue;
      --(fit.whole > 0 ? fit.whole : fit.recompute);
      EXPECT_GT(plan_memory(sizes, trained, fit).total(), budget) << name;
    }
}

TEST(FitTo, KeepsInputsAloneOnlyWhereNothingElseFits) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-14b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const auto fit = [&](double size) {
    return fit_to(static_cast<uint64_t>(size * kGib), sizes, trained, qlora(0),
                  {.micro_batch_tokens = 4096});
  };
  EXPECT_EQ(fit(18).whole, 0);
  EXPECT_GT(fit(15).whole, 0);
  EXPECT_LT(fit(15).whole, sizes.layers());
}

TEST(FitTo, TakesOnACpuTheFewestChanges) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-0.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  PlanSetting cpu = qlora(0);
  cpu.on_cpu = true;
  const auto budget = [&](double size) {
    return fit_to(static_cast<uint64_t>(size * kGib), sizes, trained, cpu, {.least_tokens = 64});
  };
  EXPECT_EQ(budget(20).micro_batch_tokens, 4096);
  EXPECT_EQ(budget(3).recompute, 0);
  EXPECT_LT(budget(3).micro_batch_tokens, 4096);
  EXPECT_EQ(budget(0.5).micro_batch_tokens, 64);  // the smallest; it does not fit
  EXPECT_EQ(budget(0.5).whole, sizes.layers());
}

// What no recomputation makes fit may wait in the computer's memory.
TEST(FitTo, OffloadsOnlyWhereNothingElseFits) {
  const ModelSizes sizes = sizes_of_known("llama3.1-8b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  PlanSetting setting = qlora(0);
  setting.rows = {.longest = 20'000, .step = 20'000};
  const auto fit = [&](double size, bool may) {
    return fit_to(static_cast<uint64_t>(size * kGib), sizes, trained, setting,
                  {.most_tokens = 20'000, .least_tokens = 20'000, .may_offload = may});
  };
  EXPECT_FALSE(fit(24, true).offload);
  const PlanSetting kept = fit(12, false), offloaded = fit(12, true);
  const auto total = [&](const PlanSetting& chosen) {
    return static_cast<double>(plan_memory(sizes, trained, chosen).total()) / kGib;
  };
  EXPECT_FALSE(kept.offload);
  EXPECT_GT(total(kept), 12);
  EXPECT_TRUE(offloaded.offload);
  EXPECT_LE(total(offloaded), 12);
  EXPECT_GT(plan_memory(sizes, trained, offloaded).host, 0u);
}

// Only for long micro-batches whose layers keep their input alone.
TEST(MlpTile, IsForLongTexts) {
  PlanSetting setting = qlora(32'768);
  EXPECT_EQ(mlp_tile(setting), 0);
  setting.whole = 4;
  EXPECT_EQ(mlp_tile(setting), 8192);
  setting.micro_batch_tokens = 12'000;
  EXPECT_EQ(mlp_tile(setting), 0);
  const ModelSizes sizes = sizes_of_known("llama3.1-8b");
  setting.micro_batch_tokens = 16'383;
  setting.whole = kAllLayers;
  const uint64_t whole = plan_memory(sizes, {}, setting).layer_work;
  setting.micro_batch_tokens = 16'384;
  EXPECT_LT(plan_memory(sizes, {}, setting).layer_work, whole);
}

TEST(StepCost, IsLowestWithoutRecomputationInTallBatches) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-7b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const auto cost = [&](int64_t tokens, int64_t recompute, int64_t whole) {
    PlanSetting setting = qlora(tokens);
    setting.recompute = recompute;
    setting.whole = whole;
    setting.rows.mean = 512;
    return step_cost(sizes, trained, setting);
  };
  EXPECT_LT(cost(8192, 0, 0), cost(2048, 0, 0));
  EXPECT_LT(cost(2048, 0, 0), cost(2048, 28, 0));
  EXPECT_LT(cost(2048, 28, 0), cost(2048, 28, 28));
}

TEST(FitTo, LeavesWhatTheRecipeSays) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const PlanSetting fit =
      fit_to(0, sizes, trained, qlora(0), {.micro_batch_tokens = 3000, .recompute = 5, .whole = 2});
  EXPECT_EQ(fit.micro_batch_tokens, 3000);
  EXPECT_EQ(fit.recompute, 5);
  EXPECT_EQ(fit.whole, 2);
}

}  // namespace
}  // namespace slmtune::train
