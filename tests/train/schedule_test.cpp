#include "train/schedule.h"

#include <gtest/gtest.h>

namespace slmtune::train {
namespace {

TEST(Schedule, WarmsUpLinearlyFromZero) {
  for (const char* name : {"constant", "linear", "cosine"}) {
    EXPECT_DOUBLE_EQ(learning_rate_factor(name, 0, 4, 20), 0.0) << name;
    EXPECT_DOUBLE_EQ(learning_rate_factor(name, 1, 4, 20), 0.25) << name;
    EXPECT_DOUBLE_EQ(learning_rate_factor(name, 4, 4, 20), 1.0) << name;
  }
}

TEST(Schedule, StartsAtThePeakWithoutWarmup) {
  for (const char* name : {"constant", "linear", "cosine"})
    EXPECT_DOUBLE_EQ(learning_rate_factor(name, 0, 0, 10), 1.0) << name;
}

TEST(Schedule, ConstantStaysAtThePeak) {
  EXPECT_DOUBLE_EQ(learning_rate_factor("constant", 19, 4, 20), 1.0);
}

TEST(Schedule, LinearFallsToZeroAtTheEnd) {
  EXPECT_DOUBLE_EQ(learning_rate_factor("linear", 12, 4, 20), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor("linear", 19, 4, 20), 1.0 / 16);
  EXPECT_DOUBLE_EQ(learning_rate_factor("linear", 20, 4, 20), 0.0);
}

// Hand-computed: ½(1 + cos(π·k/16)).
TEST(Schedule, CosineFollowsHalfAPeriod) {
  EXPECT_NEAR(learning_rate_factor("cosine", 8, 4, 20), 0.85355339059327, 1e-12);
  EXPECT_NEAR(learning_rate_factor("cosine", 12, 4, 20), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_factor("cosine", 16, 4, 20), 0.14644660940673, 1e-12);
  EXPECT_NEAR(learning_rate_factor("cosine", 20, 4, 20), 0.0, 1e-12);
}

TEST(Schedule, WarmupStepsAreRoundedUp) {
  EXPECT_EQ(warmup_steps(0.05, 100), 5);
  EXPECT_EQ(warmup_steps(0.05, 101), 6);
  EXPECT_EQ(warmup_steps(0.0, 101), 0);
}

}  // namespace
}  // namespace slmtune::train
