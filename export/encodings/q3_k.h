// Super-blocks of sixteen parts with three bits for each level and a scale for each part (q3_k).
#pragma once
#include <algorithm>

#include "export/encodings/block_fits.h"
#include "export/encodings/parts_of_16.h"

namespace slmtune::exporting::q3_k {

using parts_of_16::kBlock;
using parts_of_16::kPart;

// The third bits of the levels (bit j / 2 of byte i + 16 · (j % 2) is that of element i of part j),
// their low bits, the parts' scales of six bits, and the float16 that these are multiples of.
constexpr int kLevels = kBlock / 8, kScales = kLevels + kBlock / 4, kUnit = kScales + 12;
constexpr int kBlockBytes = kUnit + 2;
constexpr int kMost = 32;  // multiples −32 … 31, stored + 32

struct Multiples {
  float unit = 0.0f;
  uint8_t of[kLanes] = {};  // + kMost
};

// The scale of greatest magnitude is −kMost units.
SLMTUNE_INLINE Multiples multiples_of_greatest(const float* scales) {
  Multiples result;
  float greatest = 0.0f, size = 0.0f;
  for (int j = 0; j < kLanes; ++j) {
    if (!(magnitude(scales[j]) > size)) continue;
    size = magnitude(scales[j]);
    greatest = scales[j];
  }
  if (greatest == 0.0f) return result;
  const float inverse = -static_cast<float>(kMost) / greatest;
  for (int j = 0; j < kLanes; ++j) {
    const int whole = static_cast<int8_t>(nearest(inverse * scales[j]));
    result.of[j] = static_cast<uint8_t>(std::clamp(whole, -kMost, kMost - 1) + kMost);
  }
  result.unit = 1.0f / inverse;
  return result;
}

SLMTUNE_INLINE Multiples weighted_multiples(const float* scales, const float* weight) {
  Multiples result;
  const auto fit = fit_symmetric<kLanes, kMost>(scales, weight);
  result.unit = fit.scale;
  for (int j = 0; j < kLanes; ++j) result.of[j] = static_cast<uint8_t>(fit.level<kMost>(scales[j]));
  return result;
}

// Low four bits of scales j and j + 8 in byte j; high two bits of j, j + 4, j + 8 and j + 12 in
// byte 8 + j.
SLMTUNE_INLINE void pack_scales(const uint8_t* scale, std::byte* out) {
  for (int j = 0; j < 8; ++j)
    out[j] = static_cast<std::byte>((scale[j] & 15) | (scale[j + 8] & 15) << 4);
  for (int j = 0; j < 4; ++j)
    out[8 + j] = static_cast<std::byte>(scale[j] >> 4 | scale[j + 4] >> 4 << 2 |
                                        scale[j + 8] >> 4 << 4 | scale[j + 12] >> 4 << 6);
}

SLMTUNE_INLINE float unpacked_scale(const std::byte* in, int j) {
  const int low = static_cast<uint8_t>(in[j % 8]) >> (j / 8 * 4) & 15;
  const int high = static_cast<uint8_t>(in[8 + j % 4]) >> (j / 4 * 2) & 3;
  return static_cast<float>((low | high << 4) - kMost);
}

SLMTUNE_INLINE void pack_levels(const uint8_t* level, std::byte* out) {
  for (int i = 0; i < kBlock / 8; ++i) {
    int third = 0;
    for (int bit = 0; bit < 8; ++bit) third |= (level[bit * kBlock / 8 + i] >> 2 & 1) << bit;
    out[i] = static_cast<std::byte>(third);
  }
  parts_of_16::pack_two_bits(level, out + kLevels);
}

// Stores the scales; levels follow them as stored, but for parts whose scale is zero.
SLMTUNE_INLINE void finish(const Multiples& scales, const Floats* x, Floats* level,
                           std::byte* out) {
  store_half(scales.unit, out + kUnit);
  pack_scales(scales.of, out + kScales);
  const float unit = load_half(out + kUnit);
  float scale[kLanes];
  for (int j = 0; j < kLanes; ++j) scale[j] = unit * unpacked_scale(out + kScales, j);
  const Floats stored(scale);
  for (int i = 0; i < kPart; ++i)
    level[i] = select(stored != 0.0f, nearest_within(x[i] / stored, -4, 3) + 4.0f, level[i]);
  uint8_t bytes[kBlock];
  store_lanes<kPart>(level, kLanes, bytes);
  pack_levels(bytes, out);
}

// Groups of super-blocks; the last one is filled up with zeros.
SLMTUNE_INLINE void encode_plain(std::span<const float> in, std::byte* out) {
  for (size_t start = 0; start < in.size(); start += kTogether * kBlock) {
    Floats x[kTogether][kPart], level[kTogether][kPart], scale[kTogether];
    for (int g = 0; g < kTogether; ++g) {
      const size_t block = start + static_cast<size_t>(g) * kBlock;
      const bool there = block < in.size();
      load_lanes<kPart>(in.data() + (there ? block : start), there ? kLanes : 0, x[g]);
    }
    fit_by_moves<kPart, 4>(x, level, scale);
    for (int g = 0; g < kTogether && start + static_cast<size_t>(g) * kBlock < in.size(); ++g) {
      float scales[kLanes];
      scale[g].store(scales);
      finish(multiples_of_greatest(scales), x[g], level[g], out);
      out += kBlockBytes;
    }
  }
}

SLMTUNE_INLINE void encode_weighted(std::span<const float> in, const float* importance,
                                    std::byte* out) {
  for (size_t start = 0; start < in.size(); start += kBlock, out += kBlockBytes) {
    Floats x[kPart], level[kPart], weight[kPart], sum = {};
    load_lanes<kPart>(&in[start], kLanes, x);
    parts_of_16::weigh_parts(&in[start], x, importance + start, 2.0f, weight);
    for (int i = 0; i < kPart; ++i) sum += weight[i];
    float scales[kLanes], sums[kLanes];
    const auto fit = fit_symmetric<kPart, 4>(x, weight);
    for (int i = 0; i < kPart; ++i) level[i] = fit.level<4>(x[i]);
    fit.scale.store(scales);
    sum.store(sums);
    finish(weighted_multiples(scales, sums), x, level, out);
  }
}

}  // namespace slmtune::exporting::q3_k
