#include "kernels/quant/bf16/bf16_weight.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace slmtune::kernels {
namespace {

TEST(Bf16Weight, KeepsBFloat16ValuesExactlyInTwoBytesEach) {
  at::manual_seed(1);
  const at::Tensor values = at::randn({33, 70}).to(at::kBFloat16);
  const Bf16Weight weight(values);
  EXPECT_TRUE(at::equal(weight.dense(at::kFloat), values.to(at::kFloat)));
  EXPECT_EQ(weight.bytes(), 33u * 70 * 2);
}

TEST(Bf16Weight, RoundsFloat32ToTheNearest) {
  const at::Tensor values = at::tensor({1.0f, 1.00390625f, 1.01171875f, -3.0e38f}).view({2, 2});
  EXPECT_TRUE(at::equal(Bf16Weight(values).dense(at::kFloat),
                        values.to(at::kBFloat16).to(at::kFloat)));
}

TEST(Bf16Weight, DoesNotShareTheMemoryThatItWasMadeFrom) {
  at::Tensor values = at::ones({4, 8}, at::kBFloat16);
  const Bf16Weight weight(values);
  values.zero_();
  EXPECT_EQ(weight.dense(at::kFloat).sum().item<float>(), 32.0f);
}

TEST(Bf16Weight, ProductsAreThoseOfItsFloat32Values) {
  at::manual_seed(2);
  const at::Tensor values = at::randn({24, 40}), x = at::randn({5, 40});
  const Bf16Weight weight(values);
  EXPECT_TRUE(at::equal(weight.matmul(x), at::linear(x, weight.dense(at::kFloat))));
}

}  // namespace
}  // namespace slmtune::kernels
