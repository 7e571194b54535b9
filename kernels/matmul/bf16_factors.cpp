#include "kernels/matmul/bf16_factors.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/matmul/tile_lanes.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
#if defined(__x86_64__)
namespace {

// Up to sixteen numbers of x, then those of y, in bfloat16.
SLMTUNE_TILE_INLINE __m512i both(__mmask16 mask, const float* x, const float* y) {
  const __m512 second = y != nullptr ? _mm512_maskz_loadu_ps(mask, y) : _mm512_setzero_ps();
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, _mm512_maskz_loadu_ps(mask, x)));
}
SLMTUNE_TILE_INLINE __m512i both(__mmask16 mask, const BFloat16Bits* x, const BFloat16Bits* y) {
  const __m256i second = y != nullptr ? _mm256_maskz_loadu_epi16(mask, y) : _mm256_setzero_si256();
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi16(mask, x)), second, 1);
}

// One pair of rows; of an odd last one the second is null.
template <typename Number>
SLMTUNE_TILE void pair(const Number* x, const Number* y, int64_t columns, BFloat16Bits* out) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const __mmask16 mask = mask_of(columns - c);
    const __m512i pairs =
        _mm512_permutexvar_epi16(order, both(mask, x + c, y != nullptr ? y + c : nullptr));
    _mm512_mask_storeu_epi32(out + 2 * c, mask, pairs);
  }
}

template <typename Number>
void pair_all(const Number* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out) {
  const int64_t grain = kElementsPerTask / std::max<int64_t>(1, 2 * columns) + 1;
  parallel_for(0, (rows + 1) / 2, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Number* first = x + 2 * i * stride;
      pair(first, 2 * i + 1 < rows ? first + stride : nullptr, columns, out + 2 * i * columns);
    }
  });
}

}  // namespace

SLMTUNE_TILE void round_numbers(const float* x, int64_t count, BFloat16Bits* out) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 mask = mask_of(count - i);
    Lanes<BFloat16Bits>::store(out + i, mask, _mm512_maskz_loadu_ps(mask, x + i));
  }
}

#else
namespace {

template <typename Number>
void pair_all(const Number*, int64_t, int64_t, int64_t, BFloat16Bits*) {
  SLMTUNE_ASSERT(false, "asked for without has_tiled_product()");
}

}  // namespace

void round_numbers(const float*, int64_t, BFloat16Bits*) {
  SLMTUNE_ASSERT(false, "asked for without has_tiled_product()");
}

#endif

void pair_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out) {
  pair_all(x, stride, rows, columns, out);
}
void pair_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns,
               BFloat16Bits* out) {
  pair_all(x, stride, rows, columns, out);
}

}  // namespace slmtune::kernels
