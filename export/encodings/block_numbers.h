// Conversions between the numbers of a block and its bytes, with the results of x86's instructions
// where C++ leaves them open: that is what ggml's compiled code stores for NaN and infinity.
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define SLMTUNE_INLINE [[gnu::always_inline]] inline

namespace slmtune::exporting {

// f32_to_f16 of core/dtype.h free of branches, for loops that are to be vectors and for scales
// between them.
SLMTUNE_INLINE uint16_t half_of(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // The last bit of 0.5f is 2^-24, float16's smallest step: the addition rounds.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t finite = magnitude < 0x38800000u ? subnormal : normal;
  const uint32_t beyond = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return static_cast<uint16_t>(sign | (magnitude < 0x477ff000u ? finite : beyond));
}

// f16_to_f32, likewise.
SLMTUNE_INLINE float value_of_half(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7fffu;
  const uint32_t rebias = magnitude < 0x7c00u ? 112u << 23 : 224u << 23;  // infinity, NaN
  const uint32_t normal = (magnitude << 13) + rebias;
  const float subnormal = static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;
  const uint32_t bits = magnitude < 0x400u ? std::bit_cast<uint32_t>(subnormal) : normal;
  return std::bit_cast<float>(sign | bits);
}

SLMTUNE_INLINE void store_half(float value, std::byte* to) {
  const uint16_t bits = half_of(value);
  std::memcpy(to, &bits, sizeof bits);
}

SLMTUNE_INLINE float load_half(const std::byte* from) {
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return value_of_half(bits);
}

// Towards zero; the smallest int32 for NaN and for what does not fit. Free of branches.
SLMTUNE_INLINE int32_t truncated(float value) {
  const float fitting = std::fabs(value) < 0x1p31f ? value : -0x1p31f;
  return static_cast<int32_t>(fitting);
}

// Halves away from zero (C's roundf); like truncated() for NaN and for what does not fit.
SLMTUNE_INLINE int32_t rounded(float value) {
  const float fitting = std::fabs(value) < 0x1p31f ? value : -0x1p31f;
  const int32_t whole = static_cast<int32_t>(fitting);
  const float rest = fitting - static_cast<float>(whole);
  return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

// Halves to even for |value| < 2^22; beyond it and for NaN some number of 23 bits, as in ggml.
SLMTUNE_INLINE int32_t nearest(float value) {
  return static_cast<int32_t>(std::bit_cast<uint32_t>(value + 0x1.8p23f) & 0x7fffffu) - 0x400000;
}

}  // namespace slmtune::exporting
