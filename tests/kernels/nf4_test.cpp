#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/dtype.h"
#include "core/seed.h"
#include "kernels/quant/dynamic_map.h"
#include "kernels/quant/float_formats.h"
#include "kernels/quant/nf4/nf4_blocks.h"

namespace slmtune::kernels {
namespace {

std::vector<float> random_weights(int64_t count, uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<float> weights;
  for (int64_t i = 0; i < count; ++i)
    weights.push_back((static_cast<float>(random.below(2'000'001)) - 1e6f) * 1e-7f);
  return weights;
}

struct Blocks {
  std::vector<uint8_t> packed;
  std::vector<float> absmax;
};

Blocks quantised(const std::vector<float>& weights, int64_t block,
                 Instructions use = widest_instructions()) {
  const auto count = static_cast<int64_t>(weights.size());
  Blocks blocks{std::vector<uint8_t>(static_cast<size_t>((count + 1) / 2)),
                std::vector<float>(static_cast<size_t>((count + block - 1) / block))};
  quantise_nf4(weights.data(), count, block, blocks.packed.data(), blocks.absmax.data(), use);
  return blocks;
}

unsigned index_of(const Blocks& blocks, size_t i) {
  return i % 2 == 0 ? blocks.packed[i / 2] >> 4 : blocks.packed[i / 2] & 15u;
}

TEST(Nf4, EachWeightGetsTheNearestValueOfItsBlock) {
  for (int64_t count : {1, 2, 31, 63, 64, 65, 200, 4097}) {
    const std::vector<float> weights = random_weights(count, 1);
    const Blocks blocks = quantised(weights, 64);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double x = static_cast<double>(weights[i]) / static_cast<double>(blocks.absmax[i / 64]);
      double nearest = 9;
      for (float value : nf4_values())
        nearest = std::min(nearest, std::abs(x - static_cast<double>(value)));
      const double taken = std::abs(x - static_cast<double>(nf4_values()[index_of(blocks, i)]));
      ASSERT_LE(taken, nearest + 1e-6) << count << " " << i;
    }
  }
}

// Weights at the middles between two values and just beside them, where an index turns over.
std::vector<float> turning_points() {
  std::vector<float> weights;
  for (size_t i = 0; i < 15; ++i) {
    const float middle = (nf4_values()[i] + nf4_values()[i + 1]) / 2.0f;
    for (float x : {std::nextafter(middle, -1.0f), middle, std::nextafter(middle, 1.0f)})
      weights.push_back(x);
  }
  weights.resize(63, 0.5f);
  weights.push_back(-1.0f);
  return weights;
}

TEST(Nf4, EveryInstructionSetGivesTheSameBits) {
  for (const Instructions use : available_instructions()) {
    for (int64_t count : {1, 7, 64, 100, 4096, 8201})
      for (int64_t block : {32, 64, 4096}) {
        const std::vector<float> weights = random_weights(count, 3);
        const Blocks expected = quantised(weights, block, Instructions::kPlain);
        const Blocks found = quantised(weights, block, use);
        ASSERT_EQ(found.packed, expected.packed) << count << " " << block;
        ASSERT_EQ(found.absmax, expected.absmax) << count << " " << block;
        std::vector<float> plain(weights.size()), wide(weights.size());
        std::vector<uint16_t> plain16(weights.size()), wide16(weights.size());
        const auto decode = [&](auto& out, Instructions with) {
          dequantise_nf4(found.packed.data(), found.absmax.data(), count, block, out.data(), with);
        };
        decode(plain, Instructions::kPlain);
        decode(wide, use);
        decode(plain16, Instructions::kPlain);
        decode(wide16, use);
        ASSERT_EQ(wide, plain);
        ASSERT_EQ(wide16, plain16);
      }
    const Blocks turning = quantised(turning_points(), 64, use);
    for (size_t i = 0; i < 45; ++i)  // a middle itself belongs to the value below it
      ASSERT_EQ(index_of(turning, i), i / 3 + (i % 3 == 2 ? 1 : 0)) << i;
  }
}

TEST(Nf4, ABlockOfZerosStaysZero) {
  const Blocks blocks = quantised(std::vector<float>(128, 0.0f), 64);
  EXPECT_EQ(blocks.packed[5], 0x77);
  std::vector<float> out(128, 1.0f);
  dequantise_nf4(blocks.packed.data(), blocks.absmax.data(), 128, 64, out.data());
  EXPECT_EQ(out, std::vector<float>(128, 0.0f));
}

TEST(Nf4, TinyAndHugeBlocksKeepFiniteValues) {
  for (float largest : {std::numeric_limits<float>::denorm_min(), 1e-39f, 3e38f}) {
    std::vector<float> weights(64, largest / 3);
    weights[7] = -largest;
    const Blocks blocks = quantised(weights, 64);
    std::vector<float> out(64);
    dequantise_nf4(blocks.packed.data(), blocks.absmax.data(), 64, 64, out.data());
    for (float value : out) EXPECT_TRUE(std::isfinite(value));
  }
}

// Whatever the machine's vector width, and in the part of a block that no vector fills.
TEST(Nf4, DequantisesToTheExactProduct) {
  for (int64_t block : {32, 64, 128, 4096})
    for (int64_t count : {1, 33, 64, 100, 4096, 8200}) {
      const Blocks blocks = quantised(random_weights(count, 2), block);
      std::vector<float> single(static_cast<size_t>(count));
      std::vector<uint16_t> half(static_cast<size_t>(count));
      dequantise_nf4(blocks.packed.data(), blocks.absmax.data(), count, block, single.data());
      dequantise_nf4(blocks.packed.data(), blocks.absmax.data(), count, block, half.data());
      for (size_t i = 0; i < single.size(); ++i) {
        const float exact =
            nf4_values()[index_of(blocks, i)] * blocks.absmax[i / static_cast<size_t>(block)];
        ASSERT_EQ(single[i], exact) << block << " " << count << " " << i;
        const float rounded = std::bit_cast<float>(static_cast<uint32_t>(half[i]) << 16);
        ASSERT_LE(std::abs(rounded - exact), std::abs(exact) / 256) << i;
      }
    }
}

TEST(FloatFormats, WidenEveryBitPattern) {
  std::vector<uint16_t> bits(1 << 16);
  std::iota(bits.begin(), bits.end(), uint16_t{0});
  std::vector<float> wide(bits.size());
  const auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  widen_float16(bits.data(), 1 << 16, wide.data());
  for (size_t i = 0; i < bits.size(); ++i) ASSERT_TRUE(same(wide[i], f16_to_f32(bits[i]))) << i;
  widen_bfloat16(bits.data(), 1 << 16, wide.data());
  for (size_t i = 0; i < bits.size(); ++i) ASSERT_TRUE(same(wide[i], bf16_to_f32(bits[i]))) << i;
}

// Samples of bitsandbytes' create_dynamic_map().
TEST(DynamicMap, IsThatOfBitsandbytes) {
  const DynamicMap& with_sign = signed_dynamic_map();
  EXPECT_FLOAT_EQ(with_sign[0], -0.99296874f);
  EXPECT_FLOAT_EQ(with_sign[126], -5.5e-7f);
  EXPECT_EQ(with_sign[127], 0.0f);
  EXPECT_FLOAT_EQ(with_sign[254], 0.99296874f);
  EXPECT_EQ(with_sign[255], 1.0f);
  const DynamicMap& without = unsigned_dynamic_map();
  EXPECT_EQ(without[0], 0.0f);
  EXPECT_FLOAT_EQ(without[1], 3.25e-7f);
  EXPECT_FLOAT_EQ(without[254], 0.99648438f);
  for (const DynamicMap* map : {&with_sign, &without})
    EXPECT_TRUE(std::is_sorted(map->begin(), map->end()));
}

TEST(DynamicMap, EveryValueIsItsOwnNearest) {
  for (const DynamicMap* map : {&signed_dynamic_map(), &unsigned_dynamic_map()})
    for (size_t i = 0; i < map->size(); ++i) EXPECT_EQ(nearest_code(*map, (*map)[i]), i);
  EXPECT_EQ(nearest_code(signed_dynamic_map(), -1.0f), 0);
  EXPECT_EQ(nearest_code(signed_dynamic_map(), 2.0f), 255);
}

TEST(DynamicMap, ABlockOfZerosGetsTheCodeOfZero) {
  const std::vector<float> zeros(300, 0.0f);
  std::vector<uint8_t> codes(300);
  std::vector<float> absmax(2);
  quantise_dynamic(signed_dynamic_map(), zeros.data(), 300, 256, codes.data(), absmax.data());
  EXPECT_EQ(codes, std::vector<uint8_t>(300, 127));
  EXPECT_EQ(absmax, std::vector<float>(2, 0.0f));
}

}  // namespace
}  // namespace slmtune::kernels
