#include "models/blocks/rope.h"

#include <cmath>

#include <gtest/gtest.h>

#include "models/causal_lm.h"
#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

ModelConfig config_with(const RopeScaling& rope, int64_t head_dim = 4) {
  ModelConfig config;
  config.rotary_dim = head_dim;
  config.max_positions = 64;
  config.rope_theta = 10000.0;
  config.rope = rope;
  return config;
}

at::Tensor cosines(const ModelConfig& config, int64_t position) {
  const RotaryEmbedding rotary(config, at::kDouble, at::kCPU);
  return rotary.at(Layout::single(1, position)).cos;
}

TEST(Rope, TurnsByPositionTimesFrequency) {
  const at::Tensor cos = cosines(config_with({}), 3);
  EXPECT_NEAR(cos[0][0].item<double>(), std::cos(3.0), 1e-12);
  EXPECT_NEAR(cos[0][1].item<double>(), std::cos(3.0 / 100.0), 1e-12);
}

TEST(Rope, LinearScalingDividesTheFrequency) {
  const at::Tensor cos = cosines(config_with({.type = "linear", .factor = 4.0}), 8);
  EXPECT_NEAR(cos[0][0].item<double>(), std::cos(2.0), 1e-12);
}

TEST(Rope, Llama3ScalingLeavesShortWavesAndStretchesLongOnes) {
  RopeScaling rope{.type = "llama3", .factor = 8.0};
  rope.original_max_positions = 64;  // wavelengths 6.28 (short) and 628 (long)
  const at::Tensor cos = cosines(config_with(rope), 3);
  EXPECT_NEAR(cos[0][0].item<double>(), std::cos(3.0), 1e-12);
  EXPECT_NEAR(cos[0][1].item<double>(), std::cos(3.0 / 800.0), 1e-12);
}

RopeScaling longrope() {
  RopeScaling rope{.type = "longrope"};
  rope.original_max_positions = 10;
  rope.short_factors = {1.0, 2.0};
  rope.long_factors = {4.0, 5.0};
  rope.attention_factor = 1.5;
  return rope;
}

TEST(Rope, LongropeChoosesItsFactorsByTheLengthOfTheText) {
  EXPECT_NEAR(cosines(config_with(longrope()), 9)[0][1].item<double>(), 1.5 * std::cos(9.0 / 200.0),
              1e-12);
  EXPECT_NEAR(cosines(config_with(longrope()), 10)[0][1].item<double>(),
              1.5 * std::cos(10.0 / 500.0), 1e-12);
}

TEST(Rope, LongropeChoosesForEachPackedRow) {
  const RotaryEmbedding rotary(config_with(longrope()), at::kDouble, at::kCPU);
  const at::Tensor together = rotary.at(testing::packed_layout({4, 11, 3})).cos;
  EXPECT_TRUE(at::equal(together.slice(0, 0, 4), rotary.at(Layout::single(4)).cos));
  EXPECT_TRUE(at::equal(together.slice(0, 4, 15), rotary.at(Layout::single(11)).cos));
  EXPECT_TRUE(at::equal(together.slice(0, 15), rotary.at(Layout::single(3)).cos));
  EXPECT_TRUE(rotary.depends_on_length());
  EXPECT_TRUE(rotary.outdates(10, 11));
  EXPECT_FALSE(rotary.outdates(9, 10));
  EXPECT_FALSE(rotary.outdates(11, 12));
}

TEST(Rope, DynamicScalingGrowsTheBaseBeyondTheTrainedLength) {
  const ModelConfig config = config_with({.type = "dynamic", .factor = 2.0});
  EXPECT_NEAR(cosines(config, 63)[0][1].item<double>(), std::cos(63.0 / 100.0), 1e-12);
  // 10000 · (2 · 128 / 64 − 1)^(4 / 2) = 300²
  EXPECT_NEAR(cosines(config, 127)[0][1].item<double>(), std::cos(127.0 / 300.0), 1e-12);
}

TEST(Rope, YarnKeepsFastWavesAndStretchesSlowOnes) {
  RopeScaling rope{.type = "yarn", .factor = 4.0};
  rope.original_max_positions = 4096;
  rope.attention_factor = 1.25;
  const at::Tensor cos = cosines(config_with(rope, 8), 3);
  EXPECT_NEAR(cos[0][0].item<double>(), 1.25 * std::cos(3.0), 1e-12);
  EXPECT_NEAR(cos[0][3].item<double>(), 1.25 * std::cos(3.0 / 4000.0), 1e-12);
}

TEST(Rope, LeavesTheChannelsBehindTheRotatingOnes) {
  const RotaryEmbedding rotary(config_with({}, 4), at::kDouble, at::kCPU);
  const Rotation rotation = rotary.at(Layout::single(5));
  const at::Tensor x = at::randn({5, 2, 7}, at::kDouble);
  const at::Tensor turned = rotate(x, rotation);
  EXPECT_TRUE(at::equal(turned.slice(2, 4), x.slice(2, 4)));
  EXPECT_TRUE(at::allclose(turned.slice(2, 0, 4), rotate(x.slice(2, 0, 4), rotation)));
}

TEST(Rope, TurnsSlicesOfAWiderMatrix) {
  const RotaryEmbedding rotary(config_with({}), at::kFloat, at::kCPU);
  const Rotation rotation = rotary.at(Layout::single(5));
  const at::Tensor wide = at::randn({5, 20});
  const at::Tensor slice = wide.narrow(1, 8, 8).view({5, 2, 4});
  EXPECT_TRUE(at::equal(rotate(slice, rotation), rotate(slice.contiguous(), rotation)));
}

TEST(Rope, GradientTurnsBack) {
  const RotaryEmbedding rotary(config_with({}), at::kDouble, at::kCPU);
  const Rotation rotation = rotary.at(Layout::single(5));
  const at::Tensor x = at::randn({5, 2, 4}, at::kDouble).set_requires_grad(true);
  const at::Tensor seed = at::randn({5, 2, 4}, at::kDouble);
  rotate(x, rotation).backward(seed);
  EXPECT_TRUE(at::allclose(rotate(x.grad(), rotation), seed));
}

TEST(Rope, AgreesWithTheFormulaInEveryDtype) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const RotaryEmbedding rotary(config_with({}, 8), dtype, at::kCPU);
    const Rotation rotation = rotary.at(Layout::single(6));
    const at::Tensor x = at::randn({6, 3, 8}, dtype);
    const auto halves = x.chunk(2, -1);
    const at::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1);
    const at::Tensor expected =
        at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
    const double tolerance = dtype == at::kBFloat16 ? 0.05 : 1e-6;
    EXPECT_TRUE(at::allclose(rotate(x, rotation), expected, tolerance, tolerance));
  }
}

}  // namespace
}  // namespace slmtune::models
