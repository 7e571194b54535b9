#include "export/encodings/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "tests/export/encoding_numbers.h"

namespace slmtune::exporting {
namespace {

// The laws that every encoding of the registry keeps.
class EncodingLaw : public ::testing::TestWithParam<std::string> {
 protected:
  const Encoding& encoding() const { return *find_encoding(GetParam()); }

  void expect_within_bound(const std::vector<float>& values) const {
    const std::vector<float> decoded = round_trip(encoding(), values);
    const size_t block = static_cast<size_t>(encoding().block);
    for (size_t start = 0; start < values.size(); start += block) {
      double largest = 0;
      for (size_t i = start; i < start + block; ++i)
        largest = std::max(largest, std::fabs(double{values[i]}));
      for (size_t i = start; i < start + block; ++i)
        ASSERT_LE(std::fabs(double{values[i]} - double{decoded[i]}),
                  encoding().error_bound(largest))
            << "value " << i << ", largest " << largest;
    }
  }
};

TEST_P(EncodingLaw, DecodedValuesLieWithinTheStatedBound) {
  for (float scale : {1.0f, 1e-3f, 1e-6f, 1e-9f, 1e-38f, 1e-44f, 40000.0f}) {
    std::vector<float> values = numbers(Set::kC);
    for (float& value : values) value *= scale;
    expect_within_bound(values);
  }
}

TEST_P(EncodingLaw, BlocksOfAllShapesLieWithinTheStatedBound) {
  std::mt19937 random(7);
  const auto unit = [&] { return static_cast<float>(random() >> 8) * 0x1p-24f; };
  std::vector<float> values;
  for (int row = 0; row < 200; ++row) {
    // Few or many values, far apart or alike, of one sign or both, around zero or beside it.
    const float power = 0.2f + 12.0f * unit() * unit(), filled = unit(), shift = 2.0f * unit() - 1;
    const float negative = unit(), spread = row % 3 ? 1.0f : 0.1f;
    for (int i = 0; i < 256; ++i) {
      const float size = std::pow(unit(), power) * (unit() < negative ? -1.0f : 1.0f);
      values.push_back(unit() < filled ? spread * size + (row % 2 ? shift : 0.0f) : 0.0f);
    }
  }
  expect_within_bound(values);
}

TEST_P(EncodingLaw, ZerosStayZeros) {
  for (float value : round_trip(encoding(), std::vector<float>(256, 0.0f))) ASSERT_EQ(value, 0.0f);
}

TEST_P(EncodingLaw, ValuesBelowTheLimitStayFinite) {
  const float largest = std::nextafter(encoding().limit, 0.0f);
  std::vector<float> values(256, largest);
  for (float value : round_trip(encoding(), values)) ASSERT_TRUE(std::isfinite(value));
  for (size_t i = 0; i < values.size(); i += 3) values[i] = -largest;
  for (float value : round_trip(encoding(), values)) ASSERT_TRUE(std::isfinite(value));
}

TEST_P(EncodingLaw, RowsAreEncodedOneByOne) {
  const std::vector<float> values = numbers(Set::kB), weights = uneven_importance();
  const std::vector<std::byte> whole = encode(encoding(), values, weights);
  std::vector<std::byte> rows;
  for (int64_t row = 0; row < 4; ++row) {
    const auto bytes =
        encode(encoding(),
               std::vector(values.begin() + row * 256, values.begin() + (row + 1) * 256), weights);
    rows.insert(rows.end(), bytes.begin(), bytes.end());
  }
  EXPECT_EQ(whole, rows);
}

TEST_P(EncodingLaw, ImportanceLowersTheErrorWhereItIs) {
  const std::vector<float> values = numbers(Set::kA);
  std::vector<float> weights(256, 0.01f);
  for (size_t i = 0; i < 256; i += 5) weights[i] = 1.0f;
  const auto error = [&](const std::vector<float>& importance) {
    const std::vector<float> decoded = round_trip(encoding(), values, importance);
    double sum = 0.0;
    for (size_t i = 0; i < values.size(); ++i)
      sum += weights[i % 256] * std::pow(double{values[i]} - double{decoded[i]}, 2.0);
    return sum;
  };
  const double plain = error({}), weighted = error(weights);
  if (encode(encoding(), values) == encode(encoding(), values, weights))
    EXPECT_TRUE(encoding().block == 1 || encoding().name == "q8_0");  // they have no use for it
  else
    EXPECT_LT(weighted, 0.9 * plain);
}

TEST_P(EncodingLaw, IsFoundByItsTypeNumber) {
  EXPECT_EQ(find_encoding(encoding().ggml_type), &encoding());
}

INSTANTIATE_TEST_SUITE_P(Registry, EncodingLaw, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Encoding& encoding : encodings())
                             names.emplace_back(encoding.name);
                           return names;
                         }()),
                         [](const auto& test) { return test.param; });

// Those whose extreme values are stored to the bit or are an end of the levels.
class ExactEncoding : public ::testing::TestWithParam<std::string> {};

TEST_P(ExactEncoding, WhatWasDecodedEncodesToTheSameValues) {
  const Encoding& encoding = *find_encoding(GetParam());
  const std::vector<float> once = round_trip(encoding, numbers(Set::kB));
  const std::vector<float> twice = round_trip(encoding, once);
  for (size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(once[i], twice[i], 0x1p-10) << i;
}

INSTANTIATE_TEST_SUITE_P(Registry, ExactEncoding,
                         ::testing::Values("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0",
                                           "q5_1"),
                         [](const auto& test) { return test.param; });

TEST(Encoding, UnknownNameOrNumberIsNone) {
  EXPECT_EQ(find_encoding("q9_9"), nullptr);
  EXPECT_EQ(find_encoding(uint32_t{999}), nullptr);
}

TEST(Encoding, RowsNeedNotBeMultiplesOfSixteenBlocks) {
  std::vector<float> values = numbers(Set::kA);
  values.resize(96);
  const std::vector<float> weights(96, 1.0f);
  for (const char* name : {"q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl"}) {
    const Encoding& encoding = *find_encoding(name);
    std::vector<std::byte> bytes(3 * static_cast<size_t>(encoding.block_bytes));
    encoding.encode(values, 96, weights, bytes);
    std::vector<float> decoded(96);
    encoding.decode(bytes, decoded);
    for (size_t i = 0; i < 96; ++i) ASSERT_NEAR(values[i], decoded[i], 0.2f) << name << ' ' << i;
  }
}

TEST(Q8_0, KeepsTheLargestValueOfABlockExactWhenTheScaleIsAPowerOfTwo) {
  std::vector<float> values(256, 0.0f);
  values[5] = -127.0f;
  values[6] = 64.0f;
  const std::vector<float> decoded = round_trip(*find_encoding("q8_0"), values);
  EXPECT_EQ(decoded[5], -127.0f);
  EXPECT_EQ(decoded[6], 64.0f);
}

TEST(Q8_0, RoundsHalvesAwayFromZero) {
  std::vector<float> values(256, 0.0f);
  values[0] = 127.0f;
  values[1] = 2.5f;
  values[2] = -2.5f;
  values[3] = 0.49999997f;
  const std::vector<float> decoded = round_trip(*find_encoding("q8_0"), values);
  EXPECT_EQ(decoded[1], 3.0f);
  EXPECT_EQ(decoded[2], -3.0f);
  EXPECT_EQ(decoded[3], 0.0f);
}

TEST(Q8_0, SubnormalBlocksBecomeZeros) {
  const std::vector<float> values(256, std::numeric_limits<float>::denorm_min());
  for (float value : round_trip(*find_encoding("q8_0"), values)) EXPECT_EQ(value, 0.0f);
}

TEST(Q8_0, HugeValuesFitUntilTheScaleLeavesFloat16) {
  const Encoding& encoding = *find_encoding("q8_0");
  const std::vector<float> values(256, 8.0e6f);
  EXPECT_NEAR(round_trip(encoding, values)[0], 8.0e6f, encoding.error_bound(8.0e6));
  EXPECT_FALSE(std::isfinite(round_trip(encoding, std::vector<float>(256, 8.4e6f))[0]));
}

TEST(Iq4_Nl, HasNoZeroBesideOtherValues) {
  std::vector<float> values(256, 0.0f);
  values[0] = -127.0f;
  const std::vector<float> decoded = round_trip(*find_encoding("iq4_nl"), values);
  EXPECT_NEAR(decoded[0], -127.0f, 0.1f);
  EXPECT_NEAR(std::fabs(decoded[1]), 1.0f, 0.2f);  // the level nearest to zero
  EXPECT_EQ(decoded[32], 0.0f);                    // a block of zeros
}

TEST(F16, EveryNumberDecodesAndEncodesAsOneByItself) {
  std::vector<uint16_t> halves(1 << 16);
  std::vector<float> values;
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> decoded(halves.size());
  find_encoding("f16")->decode(std::as_bytes(std::span(halves)), decoded);
  for (size_t i = 0; i < halves.size(); ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(f16_to_f32(halves[i]));
    ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), bits) << i;
    // The number, its neighbours, the middle on the way to the next one and that one's neighbours.
    for (uint32_t off : {0u, 1u, ~0u, 0x0fffu, 0x1000u, 0x1001u})
      values.push_back(std::bit_cast<float>(bits + off));
  }
  std::vector<uint16_t> encoded(values.size());
  find_encoding("f16")->encode(values, 1, {}, std::as_writable_bytes(std::span(encoded)));
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(encoded[i], f32_to_f16(values[i])) << i;
}

TEST(F16, TheLimitIsTheFirstValueThatOverflows) {
  EXPECT_TRUE(std::isinf(f16_to_f32(f32_to_f16(find_encoding("f16")->limit))));
}

}  // namespace
}  // namespace slmtune::exporting
