// The bytes of a q6_k super-block, and how they are found.
#pragma once
#include "export/encodings/k_blocks.h"

namespace slmtune::exporting::k_blocks::q6_k {

// Low four bits of the levels, upper two, scales of the sixteen parts as signed multiples of the
// float16 unit that comes last.
constexpr int kPart = 16, kParts = kBlock / kPart, kLevels = 32;
constexpr int kUpperBits = kBlock / 2, kScales = kUpperBits + kBlock / 4, kUnit = kScales + kParts;
constexpr int kBlockBytes = kUnit + 2;
static_assert(kPart == kLanes && kParts == kLanes);

// Of each 128 levels a quarter of 32 has its own two bits of a byte.
SLMTUNE_INLINE void pack(const uint8_t* level, std::byte* out) {
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const uint8_t* l = level + 128 * half + i;
      const int low[] = {(l[0] & 15) | (l[64] & 15) << 4, (l[32] & 15) | (l[96] & 15) << 4};
      const int upper = l[0] >> 4 | (l[32] >> 4) << 2 | (l[64] >> 4) << 4 | (l[96] >> 4) << 6;
      out[64 * half + i] = static_cast<std::byte>(low[0]);
      out[64 * half + 32 + i] = static_cast<std::byte>(low[1]);
      out[kUpperBits + 32 * half + i] = static_cast<std::byte>(upper);
    }
}

// The scale of greatest magnitude becomes -128 units; scales become those that are stored. False:
// all are zero.
SLMTUNE_INLINE bool store_scales(float* scale, std::byte* out) {
  float greatest = 0.0f, magnitude = 0.0f;
  for (int j = 0; j < kParts; ++j) {
    const float size = __builtin_fabsf(scale[j]);
    greatest = size > magnitude ? scale[j] : greatest;
    magnitude = size > magnitude ? size : magnitude;
  }
  if (magnitude < kSmallestMagnitude) return false;
  const float inverse = -128.0f / greatest;
  store_half(1.0f / inverse, out + kUnit);
  const float unit = load_half(out + kUnit);
  for (int j = 0; j < kParts; ++j) {
    const int multiple = nearest(inverse * scale[j]);
    const auto stored = static_cast<int8_t>(multiple < 127 ? multiple : 127);
    out[kScales + j] = static_cast<std::byte>(stored);
    scale[j] = unit * static_cast<float>(stored);
  }
  return true;
}

// The levels follow the scale as stored, but for a part whose scale became zero.
SLMTUNE_INLINE void choose_levels(const float* values, float scale, float inverse, uint8_t* level) {
  const Floats x(values);
  const Floats stored =
      nearest_within(x / scale, -kLevels, kLevels - 1) + static_cast<float>(kLevels);
  const SymmetricFit<Floats> fit{scale, inverse};
  store_bytes(scale != 0.0f ? stored : fit.level<kLevels>(x), level);
}

SLMTUNE_INLINE void encode(const float* values, const float* importance, std::byte* out) {
  Floats x[kPart], weight[kPart];
  load_lanes<kPart>(values, kParts, x);
  if (importance != nullptr)
    load_lanes<kPart>(importance, kParts, weight);
  else
    for (int i = 0; i < kPart; ++i) weight[i] = x[i] * x[i];
  const auto fit = fit_symmetric<kPart, kLevels>(x, weight);
  float scale[kParts], inverse[kParts];
  fit.scale.store(scale);
  fit.inverse.store(inverse);
  if (!store_scales(scale, out)) {
    std::memset(out, 0, kBlockBytes);
    return;
  }
  uint8_t level[kBlock];
  for (int j = 0; j < kParts; ++j)
    choose_levels(values + j * kPart, scale[j], inverse[j], level + j * kPart);
  pack(level, out);
}

SLMTUNE_INLINE void encode_all(std::span<const float> in, const float* importance, std::byte* out) {
  for (size_t first = 0; first < in.size(); first += kBlock, out += kBlockBytes)
    encode(&in[first], importance == nullptr ? nullptr : importance + first, out);
}

}  // namespace slmtune::exporting::k_blocks::q6_k
