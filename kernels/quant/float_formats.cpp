#include "kernels/quant/float_formats.h"

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

constexpr uint32_t kSign = 0x8000'0000u;

// float16 has 13 bits less of fraction and a bias of 15 instead of 127.
constexpr uint32_t kFraction16 = 13, kBias16 = (127 - 15) << 23;
// Below 2^-14 float16 is evenly spaced by 2^-24, as float32 is from 0.5 to 1.
constexpr float kSmallestNormal16 = 6.103515625e-05f, kSubnormalShift = 0.5f;
constexpr float kInfinityFrom16 = 65520.0f;

inline uint32_t rounded_bits(uint32_t bits, uint32_t dropped) {
  const uint32_t odd = bits >> dropped & 1u;
  return bits + odd + (1u << (dropped - 1)) - 1u;
}

inline uint16_t bfloat16_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const bool is_nan = (bits & ~kSign) > 0x7F80'0000u;
  return static_cast<uint16_t>((is_nan ? bits | 0x0040'0000u : rounded_bits(bits, 16)) >> 16);
}

inline float as_float(uint16_t bfloat16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16);
}

inline float nearest_float16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const float magnitude = std::bit_cast<float>(bits & ~kSign);
  const float normal =
      std::bit_cast<float>(rounded_bits(bits & ~kSign, kFraction16) & ~((1u << kFraction16) - 1u));
  const float subnormal = (magnitude + kSubnormalShift) - kSubnormalShift;
  float rounded = magnitude < kSmallestNormal16 ? subnormal : normal;
  rounded = magnitude >= kInfinityFrom16 ? std::numeric_limits<float>::infinity() : rounded;
  rounded = magnitude != magnitude ? magnitude : rounded;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) | (bits & kSign));
}

inline float from_float16(uint16_t half) {
  const uint32_t magnitude = half & 0x7FFFu, sign = (half & 0x8000u) << 16;
  const uint32_t normal = (magnitude << kFraction16) + kBias16;
  const uint32_t special = (magnitude << kFraction16) | 0x7F80'0000u;  // infinities and NaN
  const float subnormal = static_cast<float>(magnitude) * 5.9604644775390625e-08f;
  const uint32_t finite = magnitude < 0x0400u ? std::bit_cast<uint32_t>(subnormal) : normal;
  return std::bit_cast<float>((magnitude >= 0x7C00u ? special : finite) | sign);
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void widen_bfloat16(const uint16_t* bits, int64_t count, float* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = as_float(bits[i]);
}

SLMTUNE_VECTOR_VARIANTS
void widen_float16(const uint16_t* bits, int64_t count, float* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = from_float16(bits[i]);
}

SLMTUNE_VECTOR_VARIANTS
void narrow_to_bfloat16(const float* values, int64_t count, uint16_t* bits) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) bits[i] = bfloat16_bits(values[i]);
}

SLMTUNE_VECTOR_VARIANTS
void round_to_bfloat16(float* values, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = as_float(bfloat16_bits(values[i]));
}

SLMTUNE_VECTOR_VARIANTS
void round_to_float16(float* values, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = nearest_float16(values[i]);
}

}  // namespace slmtune::kernels
