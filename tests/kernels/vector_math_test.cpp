#include "kernels/vector_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace slmtune::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The functions as loops use them, in every instruction set that SLMTUNE_VECTOR_VARIANTS chooses
// from and this machine has.
using Loop = void (*)(const float* x, float* y, int64_t count);
struct Loops {
  const char* instructions;
  Loop exponentials, exponentials_to_88, tangents;
  void (*to_bfloat16)(const float* x, BFloat16Bits* y, int64_t count);
};

#define SLMTUNE_LOOPS(name, attribute)                                             \
  attribute void exponentials_##name(const float* x, float* y, int64_t count) {    \
    _Pragma("omp simd") for (int64_t i = 0; i < count; ++i)                        \
        store_number(exponential(x[i]), y + i);                                    \
  }                                                                                \
  attribute void to_88_##name(const float* x, float* y, int64_t count) {           \
    _Pragma("omp simd") for (int64_t i = 0; i < count; ++i)                        \
        store_number(exponential_to_88(x[i]), y + i);                              \
  }                                                                                \
  attribute void tangents_##name(const float* x, float* y, int64_t count) {        \
    _Pragma("omp simd") for (int64_t i = 0; i < count; ++i)                        \
        store_number(hyperbolic_tangent(x[i]), y + i);                             \
  }                                                                                \
  attribute void to_bfloat16_##name(const float* x, BFloat16Bits* y, int64_t n) {  \
    _Pragma("omp simd") for (int64_t i = 0; i < n; ++i) store_number(x[i], y + i); \
  }
SLMTUNE_LOOPS(plain, )
#if defined(__x86_64__) && !defined(__clang__)
SLMTUNE_LOOPS(avx2, __attribute__((target("avx2,fma"))))
SLMTUNE_LOOPS(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif
#undef SLMTUNE_LOOPS

std::vector<Loops> all_loops() {
  std::vector<Loops> loops = {
      {"plain", exponentials_plain, to_88_plain, tangents_plain, to_bfloat16_plain}};
#if defined(__x86_64__) && !defined(__clang__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    loops.push_back({"AVX2", exponentials_avx2, to_88_avx2, tangents_avx2, to_bfloat16_avx2});
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    loops.push_back(
        {"AVX-512", exponentials_avx512, to_88_avx512, tangents_avx512, to_bfloat16_avx512});
#endif
  return loops;
}

std::vector<float> evenly(float from, float to, int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1);
  return x;
}

template <typename Exact>
double worst_relative(const std::vector<float>& x, Loop loop, const Exact& exact) {
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
  for (const Loops& loops : all_loops()) {
    SCOPED_TRACE(loops.instructions);
    const Loop loop = loops.exponentials;
    EXPECT_LT(worst_relative(evenly(-86.5f, 88.7f, 200'003), loop, exact), 2 * kUnit);
    EXPECT_LT(worst_relative(evenly(-1e-3f, 1e-3f, 10'001), loop, exact), 2 * kUnit);
    const Loop to_88 = loops.exponentials_to_88;
    EXPECT_LT(worst_relative(evenly(-86.5f, 88.0f, 200'003), to_88, exact), 2 * kUnit);
  }
}

TEST(Exponential, OfAtMost88EndsInZeroAndKeepsNaN) {
  const float payload = std::bit_cast<float>(0x7FC12345u);
  for (const Loops& loops : all_loops()) {
    SCOPED_TRACE(loops.instructions);
    for (const size_t count : {size_t{1}, size_t{33}}) {
      std::vector<float> y(count);
      const auto of = [&](float x) {
        loops.exponentials_to_88(std::vector<float>(count, x).data(), y.data(),
                                 static_cast<int64_t>(count));
        return y.back();
      };
      for (const float x : {-87.0f, -1e30f, -kInfinity}) EXPECT_EQ(of(x), 0.0f) << x;
      for (const float x : {kNaN, -kNaN, payload}) EXPECT_TRUE(std::isnan(of(x)));
      EXPECT_EQ(of(0.0f), 1.0f);
    }
  }
}

TEST(Exponential, EndsInZeroAndInfinityAndKeepsNaN) {
  std::vector<float> x = {-87.0f, -1e30f, -kInfinity, 88.8f, 1e30f, kInfinity, kNaN, 0.0f};
  for (size_t i = 0; i < 24; ++i) x.push_back(x[i]);  // whole vectors too
  for (const Loops& loops : all_loops()) {
    SCOPED_TRACE(loops.instructions);
    std::vector<float> y(x.size());
    loops.exponentials(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); i += 8) {
      for (size_t k = 0; k < 3; ++k) EXPECT_EQ(y[i + k], 0.0f) << k;
      for (size_t k = 3; k < 6; ++k) EXPECT_EQ(y[i + k], kInfinity) << k;
      EXPECT_TRUE(std::isnan(y[i + 6]));
      EXPECT_EQ(y[i + 7], 1.0f);
    }
  }
}

TEST(Logistic, HasNoOverflow) {
  EXPECT_EQ(logistic(200.0f), 1.0f);
  EXPECT_EQ(logistic(-200.0f), 0.0f);
  EXPECT_EQ(logistic(0.0f), 0.5f);
  EXPECT_TRUE(std::isnan(logistic(kNaN)));
}

TEST(HyperbolicTangent, IsWithinThreeUnits) {
  const auto exact = [](double x) { return std::tanh(x); };
  for (const Loops& loops : all_loops()) {
    SCOPED_TRACE(loops.instructions);
    EXPECT_LT(worst_relative(evenly(-12.0f, 12.0f, 100'001), loops.tangents, exact), 3 * kUnit);
    EXPECT_LT(worst_relative(evenly(-1e-4f, 1e-4f, 10'001), loops.tangents, exact), 3 * kUnit);
  }
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
  const std::vector<int> expected = {0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x7F80, 0xFF80};
  for (const Loops& loops : all_loops()) {
    SCOPED_TRACE(loops.instructions);
    std::vector<BFloat16Bits> y(x.size());
    loops.to_bfloat16(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(y[i].bits, expected[i]) << i;
    EXPECT_TRUE(std::isnan(number(y[6])));
    EXPECT_TRUE(std::isnan(number(y[7])));
  }
}

}  // namespace
}  // namespace slmtune::kernels
