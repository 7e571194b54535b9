// What float32 and bfloat16 do differently in sixteen lanes; of tiled_product.cpp.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/vector_math.h"

#define SLMTUNE_TILE __attribute__((target("avx512f,avx512bw,avx512vl,fma,avx512bf16")))
#define SLMTUNE_TILE_INLINE [[gnu::always_inline]] SLMTUNE_TILE inline

namespace slmtune::kernels {

constexpr int64_t kLanes = 16;
inline __mmask16 mask_of(int64_t lanes) {
  return static_cast<__mmask16>((1u << std::clamp<int64_t>(lanes, 0, kLanes)) - 1u);
}

// What the number types do differently. A step of a dot product takes kStep numbers at once.
template <typename Number>
struct Lanes;

template <>
struct Lanes<float> {
  static constexpr int64_t kStep = 1;
  SLMTUNE_TILE_INLINE static __m512 load(__mmask16 mask, const float* from) {
    return _mm512_maskz_loadu_ps(mask, from);
  }
  SLMTUNE_TILE_INLINE static void store(float* to, __mmask16 mask, __m512 x) {
    _mm512_mask_storeu_ps(to, mask, x);
  }
  SLMTUNE_TILE_INLINE static __m512 broadcast(const float* from) { return _mm512_set1_ps(*from); }
  SLMTUNE_TILE_INLINE static __m512 broadcast_last(const float* from) { return broadcast(from); }
  SLMTUNE_TILE_INLINE static __m512 add_product(__m512 x, __m512 y, __m512 sum) {
    return _mm512_fmadd_ps(x, y, sum);
  }
  // Sixteen lanes of row `from` and, for types that take two, of the row behind it.
  SLMTUNE_TILE_INLINE static __m512 step_of_rows(__mmask16 mask, const float* from, int64_t, bool) {
    return load(mask, from);
  }
  // Sixteen steps that lie side by side, of which `count` numbers are there.
  SLMTUNE_TILE_INLINE static __m512 steps(const float* from, int64_t count) {
    return load(mask_of(count), from);
  }
};

template <>
struct Lanes<BFloat16Bits> {
  static constexpr int64_t kStep = 2;
  SLMTUNE_TILE_INLINE static __m512i widened(__mmask16 mask, const BFloat16Bits* from) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
  }
  SLMTUNE_TILE_INLINE static __m512 load(__mmask16 mask, const BFloat16Bits* from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(widened(mask, from), 16));
  }
  SLMTUNE_TILE_INLINE static void store(BFloat16Bits* to, __mmask16 mask, __m512 x) {
    _mm256_mask_storeu_epi16(to, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
  SLMTUNE_TILE_INLINE static __m512 broadcast(const BFloat16Bits* from) {
    int pair;
    std::memcpy(&pair, from, sizeof(pair));
    return _mm512_castsi512_ps(_mm512_set1_epi32(pair));
  }
  SLMTUNE_TILE_INLINE static __m512 broadcast_last(const BFloat16Bits* from) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(from->bits));
  }
  SLMTUNE_TILE_INLINE static __m512 add_product(__m512 x, __m512 y, __m512 sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(y));
  }
  SLMTUNE_TILE_INLINE static __m512 step_of_rows(__mmask16 mask, const BFloat16Bits* from,
                                                 int64_t stride, bool has_second) {
    const __m512i first = widened(mask, from);
    if (!has_second) return _mm512_castsi512_ps(first);
    return _mm512_castsi512_ps(
        _mm512_or_si512(first, _mm512_slli_epi32(widened(mask, from + stride), 16)));
  }
  SLMTUNE_TILE_INLINE static __m512 steps(const BFloat16Bits* from, int64_t count) {
    const uint64_t mask = (uint64_t{1} << std::clamp<int64_t>(count, 0, 2 * kLanes)) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask), from));
  }
};

}  // namespace slmtune::kernels
#endif
