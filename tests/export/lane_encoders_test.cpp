#include "export/encodings/lane_encoders.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/export/encoding_numbers.h"

namespace slmtune::exporting {
namespace {

constexpr int kBlock = 256, kColumns = 6 * kBlock;

struct Encoder {
  const char* name;
  LaneEncoder LaneEncoders::*member;
};
constexpr Encoder kEncoders[] = {{"q4_0", &LaneEncoders::q4_0},     {"q4_1", &LaneEncoders::q4_1},
                                 {"q5_0", &LaneEncoders::q5_0},     {"q5_1", &LaneEncoders::q5_1},
                                 {"iq4_nl", &LaneEncoders::iq4_nl}, {"q2_k", &LaneEncoders::q2_k},
                                 {"q3_k", &LaneEncoders::q3_k},     {"q4_k", &LaneEncoders::q4_k},
                                 {"q5_k", &LaneEncoders::q5_k},     {"q6_k", &LaneEncoders::q6_k}};

// Element i of the kind-th unusual super-block; f is a number of [-1, 1).
float unusual(int kind, int i, float f) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (kind) {
    case 0:
      return 0.0f;
    case 1:
      return 0.25f;
    case 2:
      return -0.25f;
    case 3:
      return i == 100 ? 1.0f : 0.0f;
    case 4:
      return f * 0x1p-140f;  // subnormal
    case 5:
      return f * f * f * 0x1p-66f;
    case 6:
      return f * 0x1p100f;  // squares are infinite
    case 7:
      return f * 0x1p60f;
    case 8:
      return std::fabs(f);
    case 9:
      return -std::fabs(f);
    case 10:
      return i == 17 ? std::numeric_limits<float>::quiet_NaN() : f;
    case 11:
      return i == 40 ? kInfinity : f;
    case 12:
      return i == 40 ? -kInfinity : f;
    case 13:
      return i < 32 ? f : 0.0f;
    case 14:
      return std::ldexp(f, -2 * (i / 32));
    case 15:
      return i % 2 == 0 ? 1.0f : -1.0f;
    case 16:
      return f + 4.0f;
    case 17:
      return f - 4.0f;
    case 18:
      return f * 0x1p-20f + 1.0f;
    case 19:
      return static_cast<float>(i) / 256.0f;
    case 20:
      return i == 5 ? -3.0f : f * 0x1p-12f;
    case 21:
      return f * f * f;
    case 22:
      return f * 65504.0f;
    default:
      return i % 3 == 0 ? 0.0f : -0.0f;
  }
}

// Four rows of six such super-blocks, one of each kind.
std::vector<float> unusual_blocks() {
  Numbers numbers;
  std::vector<float> values;
  for (int kind = 0; kind < 24; ++kind)
    for (int i = 0; i < kBlock; ++i) values.push_back(unusual(kind, i, numbers.next()));
  return values;
}

// Magnitudes over six decades, a new one for each part of 32.
std::vector<float> random_blocks(int blocks) {
  Numbers numbers;
  std::vector<float> values;
  float size = 1.0f;
  for (int i = 0; i < blocks * kBlock; ++i) {
    if (i % 32 == 0) size = std::exp2(10.0f * numbers.next());
    const float f = numbers.next();
    values.push_back(size * f * (i % 5 == 0 ? f : 1.0f));
  }
  return values;
}

std::vector<float> importance() {
  std::vector<float> weights;
  for (int column = 0; column < kColumns; ++column)
    weights.push_back(0.125f * static_cast<float>(column % 13));
  return weights;
}

size_t bytes_of(const Encoder& encoder, size_t values) {
  const Encoding& encoding = *find_encoding(encoder.name);
  return values / static_cast<size_t>(encoding.block) * static_cast<size_t>(encoding.block_bytes);
}

std::vector<std::byte> encode(const Encoder& encoder, std::span<const float> values,
                              const std::vector<float>& weights, kernels::Instructions use,
                              int64_t columns = kColumns) {
  std::vector<std::byte> out(bytes_of(encoder, values.size()));
  (lane_encoders(use).*encoder.member).encode(values, columns, weights, out);
  return out;
}

TEST(LaneEncoders, EveryInstructionSetGivesTheSameBytes) {
  for (const std::vector<float>& values : {unusual_blocks(), random_blocks(6 * 25)})
    for (const std::vector<float>& weights : {std::vector<float>{}, importance()})
      for (const Encoder& encoder : kEncoders) {
        const auto expected = encode(encoder, values, weights, kernels::Instructions::kPlain);
        for (kernels::Instructions use : kernels::available_instructions())
          EXPECT_TRUE(encode(encoder, values, weights, use) == expected)
              << encoder.name << (weights.empty() ? "" : " with importance") << ", instructions "
              << static_cast<int>(use);
      }
}

TEST(LaneEncoders, ABlockHasTheSameBytesAloneAndBesideOthers) {
  const std::vector<float> values = random_blocks(6);
  const auto use = kernels::widest_instructions();
  for (const Encoder& encoder : kEncoders) {
    const auto together = encode(encoder, values, {}, use);
    std::vector<std::byte> alone;
    for (size_t b = 0; b < 6; ++b) {
      const auto one =
          encode(encoder, std::span(values).subspan(b * kBlock, kBlock), {}, use, kBlock);
      alone.insert(alone.end(), one.begin(), one.end());
    }
    EXPECT_TRUE(alone == together) << encoder.name;
  }
}

TEST(LaneEncoders, TheWeightsRepeatForEveryRow) {
  const std::vector<float> values = random_blocks(12), weights = importance();
  const auto use = kernels::widest_instructions();
  for (const Encoder& encoder : kEncoders) {
    const auto both = encode(encoder, values, weights, use);
    const auto second = encode(encoder, std::span(values).subspan(kColumns), weights, use);
    EXPECT_TRUE(std::equal(second.begin(), second.end(),
                           both.begin() + static_cast<std::ptrdiff_t>(second.size())))
        << encoder.name;
  }
}

// The hashes come from ggml's own quantiser.
TEST(LaneEncoders, UnusualBlocksHaveGgmlsBytes) {
  struct Golden {
    const char* name;
    uint64_t plain, weighted;
  };
  const std::vector<float> values = unusual_blocks();
  for (const Golden& golden : {Golden{"q4_k", 0x12344556b928ddfb, 0xf6a603136520e53b},
                               Golden{"q5_k", 0x4d82029cf6f7dafd, 0xe06b21b2936c863f},
                               Golden{"q6_k", 0xb238fc7387b617be, 0x6f07c99c2c41a750}})
    for (const Encoder& encoder : kEncoders) {
      if (encoder.name != std::string(golden.name)) continue;
      const auto use = kernels::widest_instructions();
      EXPECT_EQ(hash_of(encode(encoder, values, {}, use)), golden.plain) << golden.name;
      EXPECT_EQ(hash_of(encode(encoder, values, importance(), use)), golden.weighted)
          << golden.name << " with importance";
    }
}

}  // namespace
}  // namespace slmtune::exporting
