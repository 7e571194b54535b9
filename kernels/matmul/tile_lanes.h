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
  // Up to 32 numbers of a row and, for types that take two, of the one behind it, which may be
  // null, become a step of a panel, with zeros beside them.
  SLMTUNE_TILE_INLINE static void pack_step(const float* row, const float*, int64_t columns,
                                            float* packed) {
    _mm512_store_ps(packed, load(mask_of(columns), row));
    _mm512_store_ps(packed + kLanes, load(mask_of(columns - kLanes), row + kLanes));
  }
  // Sixteen steps that lie side by side, of which `count` numbers are there.
  SLMTUNE_TILE_INLINE static __m512 steps(const float* from, int64_t count) {
    return load(mask_of(count), from);
  }
};

template <>
struct Lanes<BFloat16Bits> {
  static constexpr int64_t kStep = 2;
  SLMTUNE_TILE_INLINE static __m512 load(__mmask16 mask, const BFloat16Bits* from) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
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
  SLMTUNE_TILE_INLINE static void pack_step(const BFloat16Bits* row, const BFloat16Bits* second,
                                            int64_t columns, float* packed) {
    const auto mask = static_cast<__mmask32>((uint64_t{1} << columns) - 1);
    const __m512i x = _mm512_maskz_loadu_epi16(mask, row);
    const __m512i y =
        second != nullptr ? _mm512_maskz_loadu_epi16(mask, second) : _mm512_setzero_si512();
    // Number i of x, then of y.
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
                                         8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(kLanes));
    _mm512_store_si512(packed, _mm512_permutex2var_epi16(x, low, y));
    _mm512_store_si512(packed + kLanes, _mm512_permutex2var_epi16(x, high, y));
  }
  SLMTUNE_TILE_INLINE static __m512 steps(const BFloat16Bits* from, int64_t count) {
    const uint64_t mask = (uint64_t{1} << std::clamp<int64_t>(count, 0, 2 * kLanes)) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask), from));
  }
};

}  // namespace slmtune::kernels
#endif
