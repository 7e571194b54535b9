// The emulator's bfloat16 and half against CUDA's own headers, value by value, where those are at
// hand; against their definition everywhere.
#include "tests/emulator/narrow_floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/emulator/cuda_conversions.h"

namespace slmtune::emulator_tests {
namespace {

uint16_t bf16_of(float value) {
  return __float2bfloat16_rn(value).bits;
}
uint16_t half_of(float value) {
  return __float2half_rn(value).bits;
}

// Calls check(float) with every sign, exponent and upper fraction, below, at and above each tie.
template <typename Check>
void for_many_floats(const Check& check) {
  for (uint32_t upper = 0; upper < 0x10000u; ++upper)
    for (const uint32_t lower :
         {0x0000u, 0x0001u, 0x0FFFu, 0x1000u, 0x1001u, 0x3000u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu})
      check(std::bit_cast<float>((upper << 16) | lower));
}

TEST(NarrowFloats, Bfloat16RoundsToTheNearestEven) {
  EXPECT_EQ(bf16_of(1.0f), 0x3F80);
  EXPECT_EQ(bf16_of(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // a tie, to even
  EXPECT_EQ(bf16_of(std::bit_cast<float>(0x3F818000u)), 0x3F82);
  EXPECT_EQ(bf16_of(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(bf16_of(std::numeric_limits<float>::quiet_NaN()), 0x7FFF);
}

TEST(NarrowFloats, HalfRoundsToTheNearestEven) {
  EXPECT_EQ(half_of(1.0f), 0x3C00);
  EXPECT_EQ(half_of(-65504.0f), 0xFBFF);
  EXPECT_EQ(half_of(65519.0f), 0x7BFF);
  EXPECT_EQ(half_of(65520.0f), 0x7C00);
  EXPECT_EQ(half_of(0x1p-24f), 0x0001);
  EXPECT_EQ(half_of(0x1p-25f), 0x0000);  // a tie, to even
  EXPECT_EQ(half_of(0x1.8p-24f), 0x0002);
  EXPECT_EQ(half_of(std::numeric_limits<float>::quiet_NaN()), 0x7FFF);
}

TEST(NarrowFloats, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const float value = __half2float({static_cast<uint16_t>(bits)});
    if (std::isnan(value)) continue;
    ASSERT_EQ(half_of(value), bits) << value;
  }
}

TEST(NarrowFloats, EveryValueIsWhatCudasHeadersSay) {
  if (!has_cuda_conversions()) GTEST_SKIP() << "no CUDA headers on this machine";
  for (uint32_t i = 0; i < 0x10000u; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    ASSERT_EQ(std::bit_cast<uint32_t>(__bfloat162float({bits})), cuda_bf16_to_float(bits)) << i;
    if (std::isnan(__half2float({bits}))) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(__half2float({bits})), cuda_half_to_float(bits)) << i;
  }
  for_many_floats([](float value) {
    ASSERT_EQ(bf16_of(value), cuda_bf16_of(value)) << value;
    ASSERT_EQ(half_of(value), cuda_half_of(value)) << value;
  });
}

}  // namespace
}  // namespace slmtune::emulator_tests
