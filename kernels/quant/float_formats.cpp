#include "kernels/quant/float_formats.h"

#include <bit>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

// float16 has 13 bits less of fraction than float32 and a bias of 15 instead of 127.
constexpr uint32_t kFraction = 13, kBias = (127 - 15) << 23;
constexpr float kSmallest = 5.9604644775390625e-08f;  // 2^-24

inline float from_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline float from_float16(uint16_t half) {
  const uint32_t magnitude = half & 0x7FFFu, sign = (half & 0x8000u) << 16;
  const uint32_t normal = (magnitude << kFraction) + kBias;
  const uint32_t special = (magnitude << kFraction) | 0x7F80'0000u;  // infinities and NaN
  const float subnormal = static_cast<float>(magnitude) * kSmallest;
  const uint32_t finite = magnitude < 0x0400u ? std::bit_cast<uint32_t>(subnormal) : normal;
  return std::bit_cast<float>((magnitude >= 0x7C00u ? special : finite) | sign);
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void widen_bfloat16(const uint16_t* bits, int64_t count, float* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = from_bfloat16(bits[i]);
}

SLMTUNE_VECTOR_VARIANTS
void widen_float16(const uint16_t* bits, int64_t count, float* values) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) values[i] = from_float16(bits[i]);
}

}  // namespace slmtune::kernels
