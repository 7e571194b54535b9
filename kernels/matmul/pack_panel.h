// How a panel of b is packed; of tiled_product.cpp.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>

#include "kernels/matmul/tile_lanes.h"
#include "kernels/matmul/tiled_product.h"

namespace slmtune::kernels {

// Sixteen rows of sixteen lanes become columns.
SLMTUNE_TILE_INLINE void transpose(__m512 (&x)[16]) {
  __m512 y[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const __m512d low0 = _mm512_castps_pd(y[i]), high0 = _mm512_castps_pd(y[i + 1]);
    const __m512d low1 = _mm512_castps_pd(y[i + 2]), high1 = _mm512_castps_pd(y[i + 3]);
    x[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low0, low1));
    x[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low0, low1));
    x[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high0, high1));
    x[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high0, high1));
  }
  // Whole groups of four lanes.
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    const int from = i % 4 + i / 4 * 8;
    y[from] = _mm512_shuffle_f32x4(x[from], x[from + 4], 0x88);
    y[from + 4] = _mm512_shuffle_f32x4(x[from], x[from + 4], 0xDD);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0x88);
    x[i + 8] = _mm512_shuffle_f32x4(y[i], y[i + 8], 0xDD);
  }
}

// Rows [row, row + inner) and `columns` columns of b, at most 32, from `column` on.
struct Panel {
  int64_t row, column, inner, columns;
};

// Steps of 32 lanes; columns and numbers beyond b are zeros.
template <typename Number>
SLMTUNE_TILE void pack_rows(const Operand<Number>& b, const Panel& panel, float* packed) {
  using Of = Lanes<Number>;
  const Number* from = b.data + panel.row * b.stride + panel.column;
  for (int64_t r = 0; r < panel.inner; r += Of::kStep, packed += kPanelColumns) {
    const Number* second = r + 1 < panel.inner ? from + (r + 1) * b.stride : nullptr;
    Of::pack_step(from + r * b.stride, second, panel.columns, packed);
  }
}

template <typename Number>
SLMTUNE_TILE void pack_transposed(const Operand<Number>& b, const Panel& panel, float* packed) {
  using Of = Lanes<Number>;
  for (int64_t half = 0; half < kPanelColumns; half += kLanes) {
    const int64_t present = panel.columns - half;
    const Number* from = b.data + (panel.column + half) * b.stride + panel.row;
    float* to = packed + half;
    for (int64_t r = 0; r < panel.inner; r += kLanes * Of::kStep, to += kLanes * kPanelColumns) {
      __m512 x[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i)
        x[i] =
            i < present ? Of::steps(from + i * b.stride + r, panel.inner - r) : _mm512_setzero_ps();
      transpose(x);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) _mm512_store_ps(to + i * kPanelColumns, x[i]);
    }
  }
}

// Writes `packed`, and returns it.
template <typename Number>
const float* pack(const Operand<Number>& b, const Panel& panel, float* packed) {
  (b.is_transposed ? pack_transposed<Number> : pack_rows<Number>)(b, panel, packed);
  return packed;
}

}  // namespace slmtune::kernels
#endif
