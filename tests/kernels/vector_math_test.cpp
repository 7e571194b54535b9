#include "kernels/vector_math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The functions as loops use them: vector code of this machine.
SLMTUNE_VECTOR_VARIANTS
void exponentials(const float* x, float* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = exponential(x[i]);
}
SLMTUNE_VECTOR_VARIANTS
void tangents(const float* x, float* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = hyperbolic_tangent(x[i]);
}
SLMTUNE_VECTOR_VARIANTS
void to_bfloat16(const float* x, BFloat16Bits* y, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) store_number(x[i], y + i);
}

std::vector<float> evenly(float from, float to, int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1);
  return x;
}

template <typename Loop, typename Exact>
double worst_relative(const std::vector<float>& x, const Loop& loop, const Exact& exact) {
  std::vector<float> y(x.size());
  loop(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(static_cast<double>(x[i]));
    if (expected == 0.0)
      EXPECT_EQ(y[i], 0.0f);
    else
      worst = std::max(worst, std::abs(y[i] - expected) / std::abs(expected));
  }
  return worst;
}

constexpr double kUnit = 0x1p-23;  // of a float's last place, relative

TEST(Exponential, IsWithinTwoUnitsOverItsRange) {
  const auto exact = [](double x) { return std::exp(x); };
  EXPECT_LT(worst_relative(evenly(-86.5f, 88.7f, 200'003), exponentials, exact), 2 * kUnit);
  EXPECT_LT(worst_relative(evenly(-1e-3f, 1e-3f, 10'001), exponentials, exact), 2 * kUnit);
}

TEST(Exponential, EndsInZeroAndInfinityAndKeepsNaN) {
  const std::vector<float> x = {-87.0f, -1e30f, -kInfinity, 88.8f, 1e30f, kInfinity, kNaN, 0.0f};
  std::vector<float> y(x.size());
  exponentials(x.data(), y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(y[i], 0.0f) << i;
  for (size_t i = 3; i < 6; ++i) EXPECT_EQ(y[i], kInfinity) << i;
  EXPECT_TRUE(std::isnan(y[6]));
  EXPECT_EQ(y[7], 1.0f);
}

TEST(Logistic, HasNoOverflow) {
  EXPECT_EQ(logistic(200.0f), 1.0f);
  EXPECT_EQ(logistic(-200.0f), 0.0f);
  EXPECT_EQ(logistic(0.0f), 0.5f);
  EXPECT_TRUE(std::isnan(logistic(kNaN)));
}

TEST(HyperbolicTangent, IsWithinThreeUnits) {
  const auto exact = [](double x) { return std::tanh(x); };
  EXPECT_LT(worst_relative(evenly(-12.0f, 12.0f, 100'001), tangents, exact), 3 * kUnit);
  EXPECT_LT(worst_relative(evenly(-1e-4f, 1e-4f, 10'001), tangents, exact), 3 * kUnit);
  EXPECT_EQ(hyperbolic_tangent(kInfinity), 1.0f);
  EXPECT_EQ(hyperbolic_tangent(-1e30f), -1.0f);
  EXPECT_TRUE(std::isnan(hyperbolic_tangent(kNaN)));
}

TEST(BFloat16, RoundsToTheNearestEvenAndKeepsNaN) {
  const std::vector<float> x = {1.0f,
                                std::bit_cast<float>(0x3F808000u),  // half way, down to even
                                std::bit_cast<float>(0x3F818000u),  // half way, up to even
                                std::bit_cast<float>(0x3F808001u),  // above half
                                std::numeric_limits<float>::max(),  // rounds to infinity
                                -kInfinity,
                                std::bit_cast<float>(0x7FFFFFFFu),   // NaN whose rounding overflows
                                std::bit_cast<float>(0x7F800001u)};  // NaN in the lower half alone
  std::vector<BFloat16Bits> y(x.size());
  to_bfloat16(x.data(), y.data(), static_cast<int64_t>(x.size()));
  EXPECT_EQ(y[0].bits, 0x3F80);
  EXPECT_EQ(y[1].bits, 0x3F80);
  EXPECT_EQ(y[2].bits, 0x3F82);
  EXPECT_EQ(y[3].bits, 0x3F81);
  EXPECT_EQ(y[4].bits, 0x7F80);
  EXPECT_EQ(y[5].bits, 0xFF80);
  EXPECT_TRUE(std::isnan(number(y[6])));
  EXPECT_TRUE(std::isnan(number(y[7])));
}

}  // namespace
}  // namespace slmtune::kernels
