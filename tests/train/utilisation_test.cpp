#include "train/utilisation.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/train/published_models.h"
#include "tests/train/tiny_training.h"
#include "train/time_plan.h"
#include "train/train_config.h"

namespace slmtune::train {
namespace {

using namespace testing;

TEST(TokensDone, CountRowsAndTheirSquares) {
  TokensDone done;
  done.add(std::vector<int64_t>{0, 3, 7}, 5);
  done += done;
  EXPECT_EQ(done.tokens, 14);
  EXPECT_EQ(done.label_tokens, 10);
  EXPECT_EQ(done.squares, 2 * (9 + 16));
}

// A machine that needs one second for exactly this work.
TEST(Utilisation, IsOneAtThePeak) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-7b");
  const TrainedSizes trained = lora_sizes(sizes, {});
  const FlopsPerToken flops = flops_per_token(sizes, trained, {.row_tokens = 2048});
  TokensDone done;
  done.add(std::vector<int64_t>{0, 2048}, 2048);
  const auto of = [&](const PlanSetting& setting) {
    return UtilisationMeter(sizes, trained, {.setting = setting, .peak = flops.total * 2048})
        .of(done, 1.0);
  };
  EXPECT_DOUBLE_EQ(of({}).mfu, 1);
  EXPECT_DOUBLE_EQ(of({}).of_ceiling, 1);
  // Recomputation is work, but not the model's.
  EXPECT_DOUBLE_EQ(of({.whole = kAllLayers}).mfu, 1);
  EXPECT_NEAR(of({.whole = kAllLayers}).of_ceiling, 43.5 / 30.0, 0.01);
}

TEST(Utilisation, CountsTokensWithLabelsAndShortRowsForLess) {
  const ModelSizes sizes = sizes_of_known("qwen2.5-1.5b");
  const UtilisationMeter meter(sizes, {}, {.peak = 1e15});
  TokensDone all, some, shorter;
  all.add(std::vector<int64_t>{0, 1000}, 1000);
  some.add(std::vector<int64_t>{0, 1000}, 500);
  shorter.add(std::vector<int64_t>{0, 500, 1000}, 1000);
  EXPECT_NEAR((meter.of(all, 1).mfu - meter.of(some, 1).mfu) * 1e15 / 500, 4.0 * 151'936 * 1536,
              1e3);
  EXPECT_LT(meter.of(shorter, 1).mfu, meter.of(all, 1).mfu);
  EXPECT_EQ(meter.of({}, 1).mfu, 0);
}

TEST(Utilisation, StandsInEveryLineOfTheLog) {
  TinyRun tiny(tiny_lora_model());
  const ModelSizes sizes = sizes_of(tiny.model->config());
  const TrainedSizes trained = lora_sizes(sizes, {.rank = 4});
  const double peak = 1e9;
  const UtilisationMeter meter(sizes, trained, {.setting = {.recompute = 1}, .peak = peak});
  tiny.job.meter = &meter;
  const TrainResult result = run_sft(tiny.job);
  ASSERT_TRUE(result.utilisation);
  EXPECT_GT(result.utilisation->of_ceiling, result.utilisation->mfu);
  // Of a token about 4 operations for each value of a linear, two thirds of that for the head.
  const double least = 4.0 * static_cast<double>(sizes.linear_values()) / peak;
  EXPECT_GT(result.utilisation->mfu, least * result.tokens_per_second);
  EXPECT_LT(result.utilisation->mfu, 2 * least * result.tokens_per_second);
  for (const OrderedJson& line : log_lines(tiny.run.path())) {
    EXPECT_GT(line.at("ceiling_share").get<double>(), line.at("mfu").get<double>());
    EXPECT_GT(line.at("mfu").get<double>(), least * line.at("tokens_per_second").get<double>());
  }
}

}  // namespace
}  // namespace slmtune::train
