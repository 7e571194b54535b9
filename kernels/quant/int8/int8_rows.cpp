#include "kernels/quant/int8/int8_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {

SLMTUNE_VECTOR_VARIANTS
float largest_magnitude(const float* row, int64_t count) {
  float largest = 0.0f;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(row[i]));
  return largest;
}

SLMTUNE_VECTOR_VARIANTS
void quantise_int8(const float* row, int64_t count, float scale, int8_t* codes) {
  // Adding 1.5 · 2^23 leaves no room for a fraction, which rounds to the nearest, ties to even.
  constexpr float kNoFraction = 12582912.0f;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float shifted = row[i] * scale + kNoFraction;
    codes[i] = static_cast<int8_t>(std::bit_cast<int32_t>(shifted) & 0xFF);
  }
}

SLMTUNE_VECTOR_VARIANTS
void dequantise_int8(const int8_t* codes, int64_t count, float step, float* out) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(codes[i]) * step;
}

SLMTUNE_VECTOR_VARIANTS
void dequantise_int8(const int8_t* codes, int64_t count, float step, uint16_t* out) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(codes[i]) * step);
    out[i] = static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
  }
}

}  // namespace slmtune::kernels
