#include "core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace slmtune {
namespace {

TEST(DType, KnowsEveryNameBothWays) {
  for (int i = 0; i <= static_cast<int>(DType::kF64); ++i) {
    DType dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("F8_E4M3"), std::nullopt);
  EXPECT_EQ(dtype_from_name("f32"), std::nullopt);
}

TEST(DType, KnowsSizes) {
  EXPECT_EQ(dtype_bytes(DType::kBool), 1u);
  EXPECT_EQ(dtype_bytes(DType::kBF16), 2u);
  EXPECT_EQ(dtype_bytes(DType::kF32), 4u);
  EXPECT_EQ(dtype_bytes(DType::kI64), 8u);
}

TEST(DType, EveryBf16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = bf16_to_f32(static_cast<uint16_t>(bits));
    uint16_t back = f32_to_bf16(value);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(bf16_to_f32(back))) << bits;
    else
      EXPECT_EQ(back, bits);
  }
}

TEST(DType, EveryF16SurvivesARoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    float value = f16_to_f32(static_cast<uint16_t>(bits));
    uint16_t back = f32_to_f16(value);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(f16_to_f32(back))) << bits;
    else
      EXPECT_EQ(back, bits);
  }
}

TEST(DType, F16MatchesTheCompilersOwn) {
#ifdef __FLT16_MANT_DIG__
  // Every value between two neighbours of f16: below, at and above the middle.
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    float low = f16_to_f32(static_cast<uint16_t>(bits));
    float high = bits + 1 == 0x7c00 ? 65536.0f : f16_to_f32(static_cast<uint16_t>(bits + 1));
    float middle = low + (high - low) / 2;
    for (float value : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e9f)}) {
      EXPECT_EQ(f16_to_f32(f32_to_f16(value)), static_cast<float>(static_cast<_Float16>(value)))
          << value;
      EXPECT_EQ(f16_to_f32(f32_to_f16(-value)), static_cast<float>(static_cast<_Float16>(-value)))
          << value;
    }
  }
#else
  GTEST_SKIP() << "the compiler has no _Float16";
#endif
}

TEST(DType, Bf16RoundsTiesToEven) {
  EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3f80);  // 1 + 2^-8, between 0x3f80 and 0x3f81
  EXPECT_EQ(f32_to_bf16(1.01171875f), 0x3f82);  // 1 + 3·2^-8, between 0x3f81 and 0x3f82
  EXPECT_EQ(f32_to_bf16(1.0039063692f), 0x3f81);
}

TEST(DType, LargeValuesBecomeInfinity) {
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

TEST(DType, NanStaysNan) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(nan))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(nan))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::signaling_NaN()))));
}

}  // namespace
}  // namespace slmtune
