// What the encodings with blocks of 32 levels have in common (q4_0, q4_1, q5_0, q5_1): a scale, a
// minimum for some, then levels of 4 bits, or of 5 with the fifth bits in a word before them. Level
// i is the low half of byte i, level i + 16 its high half.
#pragma once
#include <algorithm>
#include <cfloat>
#include <cstring>
#include <limits>
#include <span>

#include "export/encodings/block_fits.h"

namespace slmtune::exporting::blocks_of_32 {

constexpr int kBlock = 32;

template <int kBits, bool kMinimum>
struct Layout {
  static constexpr int kLevels = 1 << kBits;
  static constexpr int kFifthBits = kMinimum ? 4 : 2;  // offsets
  static constexpr int kNibbles = kFifthBits + (kBits == 5 ? 4 : 0);
  static constexpr int kBytes = kNibbles + kBlock / 2;
};

// Eight levels at a time, a byte each in a word.
template <typename Layout>
SLMTUNE_INLINE void pack(const uint8_t* level, std::byte* block) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t words[kBlock / 8];
  std::memcpy(words, level, sizeof words);
  for (int i = 0; i < kBlock / 16; ++i) {
    const uint64_t nibbles = (words[i] & 15 * kOnes) | (words[i + kBlock / 16] & 15 * kOnes) << 4;
    std::memcpy(block + Layout::kNibbles + 8 * i, &nibbles, sizeof nibbles);
  }
  if constexpr (Layout::kLevels == 32)
    for (int i = 0; i < kBlock / 8; ++i) {
      // The product has bit j of byte 7 from byte j.
      const uint64_t fifth = ((words[i] >> 4 & kOnes) * 0x0102040810204080) >> 56;
      block[Layout::kFifthBits + i] = static_cast<std::byte>(fifth);
    }
}

template <typename Layout>
SLMTUNE_INLINE void unpack(const std::byte* block, uint8_t* level) {
  constexpr uint64_t kOnes = 0x0101010101010101, kBits = 0x8040201008040201;
  for (int i = 0; i < kBlock / 8; ++i) {
    uint64_t word;
    std::memcpy(&word, block + Layout::kNibbles + i % 2 * 8, sizeof word);
    word = word >> (i / 2 * 4) & 15 * kOnes;
    if constexpr (Layout::kLevels == 32) {
      // Byte j keeps bit j; 127 more, and bit 7 tells whether it was set.
      const uint64_t bits = static_cast<uint64_t>(block[Layout::kFifthBits + i]) * kOnes & kBits;
      word |= (bits + 127 * kOnes) >> 3 & 16 * kOnes;
    }
    std::memcpy(level + 8 * i, &word, sizeof word);
  }
}

// Levels of x · inverse + offset, cut; what does not fit an int is level 0.
template <int kLevels>
SLMTUNE_INLINE void cut(const float* x, float minimum, float inverse, float offset,
                        uint8_t* level) {
  for (int i = 0; i < kBlock; ++i) {
    const int32_t whole = truncated((x[i] - minimum) * inverse + offset);
    level[i] = static_cast<uint8_t>(std::min<int32_t>(static_cast<int8_t>(whole), kLevels - 1));
  }
}

// Least and greatest of a block's values: infinities the other way round where all are NaN, and of
// zeros the sign of any.
struct Range {
  float lowest, highest;
};

SLMTUNE_INLINE Range range_of(const float* x) {
  Floats lowest = std::numeric_limits<float>::infinity(), highest = -lowest;
  for (int i = 0; i < kBlock; i += kLanes) {
    const Floats each(x + i);
    lowest = select(each < lowest, each, lowest);
    highest = select(each > highest, each, highest);
  }
  return {least(lowest), greatest(highest)};
}

// The first element of greatest magnitude: extreme_of(), faster but for ties.
SLMTUNE_INLINE float extreme_value(const float* x) {
  const Range range = range_of(x);
  const float sum = range.highest + range.lowest;
  if (sum == 0.0f || sum != sum) return extreme_of<kBlock>(x).value;
  return sum > 0.0f ? range.highest : range.lowest;
}

// There is one.
SLMTUNE_INLINE float first_zero(const float* x) {
  while (*x != 0.0f) ++x;
  return *x;
}

// The extreme element becomes the lowest level: x ≈ scale · (level − half).
template <int kBits>
SLMTUNE_INLINE void encode_symmetric(std::span<const float> in, std::byte* out) {
  using Block = Layout<kBits, false>;
  constexpr float kHalf = Block::kLevels / 2;
  for (size_t start = 0; start < in.size(); start += kBlock, out += Block::kBytes) {
    uint8_t level[kBlock];
    const float scale = extreme_value(&in[start]) / -kHalf;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    cut<Block::kLevels>(&in[start], 0.0f, inverse, kHalf + 0.5f, level);
    store_half(scale, out);
    pack<Block>(level, out);
  }
}

// x ≈ scale · level + minimum. The minimum is finite, and of zeros the first.
template <int kBits>
SLMTUNE_INLINE void encode_with_minimum(std::span<const float> in, std::byte* out) {
  using Block = Layout<kBits, true>;
  for (size_t start = 0; start < in.size(); start += kBlock, out += Block::kBytes) {
    const float* x = &in[start];
    const Range range = range_of(x);
    float lowest = range.lowest < FLT_MAX ? range.lowest : FLT_MAX;
    const float highest = range.highest > -FLT_MAX ? range.highest : -FLT_MAX;
    if (lowest == 0.0f) lowest = first_zero(x);
    uint8_t level[kBlock];
    const float scale = (highest - lowest + 0.0f) / (Block::kLevels - 1);  // never -0
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    cut<Block::kLevels>(x, lowest, inverse, 0.5f, level);
    store_half(scale, out);
    store_half(lowest, out + 2);
    pack<Block>(level, out);
  }
}

SLMTUNE_INLINE float mean_square(std::span<const float> values) {
  float sum = 0.0f;
  for (float value : values) sum += value * value;
  return sum / static_cast<float>(values.size());
}

// Sixteen blocks: their values, and their weights: importance · √(mean square of the row + x²).
struct WeightedLanes {
  Floats x[kBlock], weight[kBlock];
};

SLMTUNE_INLINE void load(const float* x, const float* importance, float spread, int64_t blocks,
                         WeightedLanes& lanes) {
  load_lanes<kBlock>(x, blocks, lanes.x);
  load_lanes<kBlock>(importance, blocks, lanes.weight);
  for (int i = 0; i < kBlock; ++i) lanes.weight[i] *= square_root(spread + lanes.x[i] * lanes.x[i]);
}

// Scale and levels of one row by the searches of block_fits.h, weighted.
template <int kBits, bool kMinimum>
SLMTUNE_INLINE void encode_weighted_row(std::span<const float> row, const float* importance,
                                        std::byte* out) {
  using Block = Layout<kBits, kMinimum>;
  const float spread = mean_square(row);
  const auto all = static_cast<int64_t>(row.size()) / kBlock;
  for (int64_t first = 0; first < all; first += kLanes) {
    const int64_t blocks = std::min<int64_t>(kLanes, all - first);
    WeightedLanes lanes;
    load(&row[first * kBlock], importance + first * kBlock, spread, blocks, lanes);
    Floats level[kBlock];
    float scale[kLanes], minimum[kLanes];
    if constexpr (kMinimum) {
      const MinimumFit fit = fit_with_minimum<kBlock, Block::kLevels - 1, false>(
          lanes.x, lanes.weight, kWeightedSteps);
      for (int i = 0; i < kBlock; ++i) level[i] = fit.level(lanes.x[i], Block::kLevels - 1);
      fit.scale.store(scale);
      fit.minimum.store(minimum);
    } else {
      const auto fit = fit_symmetric<kBlock, Block::kLevels / 2>(lanes.x, lanes.weight);
      for (int i = 0; i < kBlock; ++i)
        level[i] = fit.template level<Block::kLevels / 2>(lanes.x[i]);
      fit.scale.store(scale);
    }
    uint8_t bytes[kLanes * kBlock];
    store_lanes<kBlock>(level, blocks, bytes);
    for (int lane = 0; lane < blocks; ++lane, out += Block::kBytes) {
      store_half(scale[lane], out);
      if constexpr (kMinimum) store_half(-minimum[lane], out + 2);
      pack<Block>(bytes + lane * kBlock, out);
    }
  }
}

template <int kBits, bool kMinimum>
SLMTUNE_INLINE void decode_blocks(std::span<const std::byte> in, float* out) {
  using Block = Layout<kBits, kMinimum>;
  for (size_t start = 0; start < in.size(); start += Block::kBytes, out += kBlock) {
    uint8_t level[kBlock];
    unpack<Block>(&in[start], level);
    const float scale = load_half(&in[start]);
    const float minimum = kMinimum ? load_half(&in[start + 2]) : 0.0f;
    for (int i = 0; i < kBlock; ++i)
      out[i] = kMinimum ? static_cast<float>(level[i]) * scale + minimum
                        : static_cast<float>(level[i] - Block::kLevels / 2) * scale;
  }
}

}  // namespace slmtune::exporting::blocks_of_32
