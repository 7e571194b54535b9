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
