#include "export/encodings/encoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace slmtune::exporting {
namespace {

// Three sets of 1024 numbers; the expected hashes of their encodings come from ggml's reference
// quantiser.
enum class Set { kA, kB, kC };

std::vector<float> numbers(Set set) {
  std::vector<float> values;
  uint32_t state = 1;
  for (int i = 0; i < 1024; ++i) {
    state = state * 1664525u + 1013904223u;
    const float f = (static_cast<float>((state >> 8) & 0xFFFF) - 32768.0f) / 32768.0f;
    const float cube = f * f * f;
    float value = set == Set::kA ? f : cube;
    if (set == Set::kC) {
      value = cube * ((i / 32) % 2 ? 0.01f : 1.0f) + (i / 256 == 3 ? 0.5f : 0.0f);
      if (i % 256 < 16) value = 0.0f;
    }
    values.push_back(value);
  }
  return values;
}

uint64_t fnv1a(const std::vector<std::byte>& bytes) {
  uint64_t hash = 14695981039346656037ull;
  for (std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 1099511628211ull;
  return hash;
}

std::vector<std::byte> encode(const Encoding& encoding, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() / static_cast<size_t>(encoding.block) *
                               static_cast<size_t>(encoding.block_bytes));
  encoding.encode(values, bytes);
  return bytes;
}

std::vector<float> round_trip(const Encoding& encoding, const std::vector<float>& values) {
  std::vector<float> decoded(values.size());
  encoding.decode(encode(encoding, values), decoded);
  return decoded;
}

struct Golden {
  std::string name;
  uint64_t a, b, c;
};

class GoldenEncoding : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenEncoding, HasTheBytesOfGgmlsReference) {
  const Encoding* encoding = find_encoding(GetParam().name);
  ASSERT_NE(encoding, nullptr);
  EXPECT_EQ(fnv1a(encode(*encoding, numbers(Set::kA))), GetParam().a);
  EXPECT_EQ(fnv1a(encode(*encoding, numbers(Set::kB))), GetParam().b);
  EXPECT_EQ(fnv1a(encode(*encoding, numbers(Set::kC))), GetParam().c);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenEncoding,
    ::testing::Values(Golden{"f16", 0xcc6b46f91a7a0bb5, 0x54003de662469911, 0x3bbe045a8f6029dd},
                      Golden{"bf16", 0x99ad5f278c91a859, 0xbb81d0451534d852, 0xd762eaeea8093c1f},
                      Golden{"q8_0", 0xe026b221df80fc55, 0xbafde6bed7dcd62f, 0x2721e2f10d6c19c9}),
    [](const auto& test) { return test.param.name; });

// The law that every encoding of the registry keeps.
class EncodingLaw : public ::testing::TestWithParam<std::string> {};

TEST_P(EncodingLaw, DecodedValuesLieWithinTheStatedBound) {
  const Encoding& encoding = *find_encoding(GetParam());
  for (float scale : {1.0f, 1e-3f, 1e-6f, 1e-9f, 1e-38f, 1e-44f, 40000.0f}) {
    std::vector<float> values = numbers(Set::kC);
    for (float& value : values) value *= scale;
    const std::vector<float> decoded = round_trip(encoding, values);
    const size_t block = static_cast<size_t>(encoding.block);
    for (size_t start = 0; start < values.size(); start += block) {
      double largest = 0;
      for (size_t i = start; i < start + block; ++i)
        largest = std::max(largest, std::fabs(double{values[i]}));
      for (size_t i = start; i < start + block; ++i)
        ASSERT_LE(std::fabs(double{values[i]} - double{decoded[i]}), encoding.error_bound(largest))
            << "value " << i << " of scale " << scale;
    }
  }
}

TEST_P(EncodingLaw, WhatWasDecodedEncodesToTheSameValues) {
  const Encoding& encoding = *find_encoding(GetParam());
  const std::vector<float> once = round_trip(encoding, numbers(Set::kB));
  const std::vector<float> twice = round_trip(encoding, once);
  for (size_t i = 0; i < once.size(); ++i)
    ASSERT_LE(std::fabs(once[i] - twice[i]), std::fabs(once[i]) * 0x1p-10) << i;
}

TEST_P(EncodingLaw, ZerosStayZeros) {
  const Encoding& encoding = *find_encoding(GetParam());
  for (std::byte byte : encode(encoding, std::vector<float>(64, 0.0f)))
    ASSERT_EQ(byte, std::byte{0});
}

TEST_P(EncodingLaw, ValuesBelowTheLimitStayFinite) {
  const Encoding& encoding = *find_encoding(GetParam());
  const float largest = std::nextafter(encoding.limit, 0.0f);
  for (float value : round_trip(encoding, std::vector<float>(64, largest)))
    ASSERT_TRUE(std::isfinite(value));
}

TEST_P(EncodingLaw, IsFoundByItsTypeNumber) {
  const Encoding* encoding = find_encoding(GetParam());
  EXPECT_EQ(find_encoding(encoding->ggml_type), encoding);
}

INSTANTIATE_TEST_SUITE_P(Registry, EncodingLaw, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Encoding& encoding : encodings())
                             names.emplace_back(encoding.name);
                           return names;
                         }()),
                         [](const auto& test) { return test.param; });

TEST(Encoding, UnknownNameOrNumberIsNone) {
  EXPECT_EQ(find_encoding("q9_9"), nullptr);
  EXPECT_EQ(find_encoding(uint32_t{999}), nullptr);
}

TEST(Q8_0, KeepsTheLargestValueOfABlockExactWhenTheScaleIsAPowerOfTwo) {
  std::vector<float> values(32, 0.0f);
  values[5] = -127.0f;
  values[6] = 64.0f;
  const std::vector<float> decoded = round_trip(*find_encoding("q8_0"), values);
  EXPECT_EQ(decoded[5], -127.0f);
  EXPECT_EQ(decoded[6], 64.0f);
}

TEST(Q8_0, RoundsHalvesAwayFromZero) {
  std::vector<float> values(32, 0.0f);
  values[0] = 127.0f;
  values[1] = 2.5f;
  values[2] = -2.5f;
  const std::vector<float> decoded = round_trip(*find_encoding("q8_0"), values);
  EXPECT_EQ(decoded[1], 3.0f);
  EXPECT_EQ(decoded[2], -3.0f);
}

TEST(Q8_0, SubnormalBlocksBecomeZeros) {
  const std::vector<float> values(32, std::numeric_limits<float>::denorm_min());
  for (float value : round_trip(*find_encoding("q8_0"), values)) EXPECT_EQ(value, 0.0f);
}

TEST(Q8_0, HugeValuesFitUntilTheScaleLeavesFloat16) {
  const Encoding& encoding = *find_encoding("q8_0");
  const std::vector<float> values(32, 8.0e6f);
  EXPECT_NEAR(round_trip(encoding, values)[0], 8.0e6f, encoding.error_bound(8.0e6));
  EXPECT_FALSE(std::isfinite(round_trip(encoding, std::vector<float>(32, 8.4e6f))[0]));
}

TEST(F16, TheLimitIsTheFirstValueThatOverflows) {
  EXPECT_TRUE(std::isinf(f16_to_f32(f32_to_f16(find_encoding("f16")->limit))));
}

}  // namespace
}  // namespace slmtune::exporting
