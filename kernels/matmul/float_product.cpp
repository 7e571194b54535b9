#include "kernels/matmul/float_product.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "kernels/instructions.h"
#include "kernels/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace slmtune::kernels {

#if defined(__x86_64__)
namespace {

#define SLMTUNE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,fma")))
#define SLMTUNE_AVX512_INLINE [[gnu::always_inline]] SLMTUNE_AVX512 inline

constexpr int64_t kLanes = 16;
constexpr int64_t kTileRows = 14, kTileColumns = 2 * kLanes;
constexpr int64_t kPanelRows = 512;
// Rows of a beside one panel: what of them is multiplied by it stays in L2.
constexpr int64_t kBlockRows = 36 * kTileRows;

__mmask16 mask_of(int64_t lanes) {
  return static_cast<__mmask16>((1u << std::clamp<int64_t>(lanes, 0, kLanes)) - 1u);
}

// What a tile is made of: rows of a and of the result from `first` on, columns from `column` on,
// and `inner` of a's columns from `row` on, which the panel holds of b.
struct Tile {
  int64_t first, column, row, inner;
  const float* panel;
};

template <size_t kRows, size_t kVectors, bool kTransposed>
SLMTUNE_AVX512 void add_tile(const FloatProduct& product, const Tile& tile) {
  const int64_t row_step = kTransposed ? 1 : product.a.stride,
                inner_step = kTransposed ? product.a.stride : 1;
  const float* a = product.a.data + tile.first * row_step + tile.row * inner_step;
  float* out = product.out + tile.first * product.out_stride + tile.column;
  const bool adds = product.adds || tile.row > 0;
  const auto at = [](size_t i, int64_t stride, size_t v) {
    return static_cast<int64_t>(i) * stride + static_cast<int64_t>(v) * kLanes;
  };
  __m512 sums[kRows][kVectors];
  std::array<__mmask16, kVectors> masks;
#pragma GCC unroll 2
  for (size_t v = 0; v < kVectors; ++v)
    masks[v] = mask_of(product.columns - tile.column - static_cast<int64_t>(v) * kLanes);
#pragma GCC unroll 14
  for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
      sums[i][v] = adds ? _mm512_maskz_loadu_ps(masks[v], out + at(i, product.out_stride, v))
                        : _mm512_setzero_ps();
  for (int64_t r = 0; r < tile.inner; ++r) {
    __m512 b[kVectors];
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
      b[v] = _mm512_load_ps(tile.panel + r * kTileColumns + static_cast<int64_t>(v) * kLanes);
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i) {
      const __m512 x = _mm512_set1_ps(a[static_cast<int64_t>(i) * row_step + r * inner_step]);
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = _mm512_fmadd_ps(x, b[v], sums[i][v]);
    }
  }
  if (product.addend != nullptr && tile.row + tile.inner == product.inner) {
    const float* addend = product.addend + tile.first * product.addend_stride + tile.column;
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v)
        sums[i][v] = _mm512_add_ps(
            sums[i][v], _mm512_maskz_loadu_ps(masks[v], addend + at(i, product.addend_stride, v)));
  }
#pragma GCC unroll 14
  for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
      _mm512_mask_storeu_ps(out + at(i, product.out_stride, v), masks[v], sums[i][v]);
}

using AddTile = void (*)(const FloatProduct&, const Tile&);
using Tiles = std::array<AddTile, static_cast<size_t>(kTileRows)>;  // by rows less one

template <size_t kVectors, bool kTransposed, size_t... kCounts>
constexpr Tiles tiles(std::index_sequence<kCounts...>) {
  return {add_tile<kCounts + 1, kVectors, kTransposed>...};
}

const Tiles& tiles_for(bool is_wide, bool is_transposed) {
  constexpr auto kEach = std::make_index_sequence<static_cast<size_t>(kTileRows)>();
  static constexpr Tiles kAll[2][2] = {{tiles<1, false>(kEach), tiles<1, true>(kEach)},
                                       {tiles<2, false>(kEach), tiles<2, true>(kEach)}};
  return kAll[is_wide ? 1 : 0][is_transposed ? 1 : 0];
}

// Sixteen rows of sixteen lanes become columns.
SLMTUNE_AVX512_INLINE void transpose(__m512 (&x)[16]) {
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

// Rows [row, row + inner) and 32 columns of b from `column` on.
struct Panel {
  int64_t row, column, inner;
};

// packed[r, 0…31]; columns beyond b are zeros.
SLMTUNE_AVX512 void pack_rows(const FloatProduct& product, const Panel& panel, float* packed) {
  const __mmask16 first = mask_of(product.columns - panel.column),
                  second = mask_of(product.columns - panel.column - kLanes);
  const float* b = product.b.data + panel.row * product.b.stride + panel.column;
  for (int64_t r = 0; r < panel.inner; ++r, b += product.b.stride, packed += kTileColumns) {
    _mm512_store_ps(packed, _mm512_maskz_loadu_ps(first, b));
    _mm512_store_ps(packed + kLanes, _mm512_maskz_loadu_ps(second, b + kLanes));
  }
}

SLMTUNE_AVX512 void pack_transposed(const FloatProduct& product, const Panel& panel,
                                    float* packed) {
  for (int64_t half = 0; half < kTileColumns; half += kLanes) {
    const int64_t present = product.columns - panel.column - half;
    const float* b = product.b.data + (panel.column + half) * product.b.stride + panel.row;
    for (int64_t r = 0; r < panel.inner; r += kLanes) {
      const __mmask16 mask = mask_of(panel.inner - r);
      __m512 x[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i)
        x[i] = i < present ? _mm512_maskz_loadu_ps(mask, b + i * product.b.stride + r)
                           : _mm512_setzero_ps();
      transpose(x);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i)
        _mm512_store_ps(packed + (r + i) * kTileColumns + half, x[i]);
    }
  }
}

// Asks for part `part` of `parts` of what `panel` will be packed from.
void prefetch(const FloatProduct& product, const Panel& panel, int64_t part, int64_t parts) {
  const int64_t columns = std::min(kTileColumns, product.columns - panel.column);
  const bool is_transposed = product.b.is_transposed;
  const int64_t first = is_transposed ? panel.column : panel.row,
                rows = is_transposed ? columns : panel.inner,
                offset = is_transposed ? panel.row : panel.column,
                lines = ((is_transposed ? panel.inner : columns) + kLanes - 1) / kLanes;
  const int64_t total = rows * lines;
  for (int64_t i = total * part / parts; i < total * (part + 1) / parts; ++i)
    _mm_prefetch(
        product.b.data + (first + i / lines) * product.b.stride + offset + i % lines * kLanes,
        _MM_HINT_T1);
}

// The one that is packed behind `panel`; of no columns behind the last.
Panel behind(const FloatProduct& product, const Panel& panel) {
  const int64_t row = panel.row + panel.inner;
  if (row < product.inner) return {row, panel.column, std::min(kPanelRows, product.inner - row)};
  return {0, panel.column + kTileColumns, std::min(kPanelRows, product.inner)};
}

// The results in 32 columns from `column` on, for `rows` rows from `first` on.
void multiply_block(const FloatProduct& product, int64_t first, int64_t rows, int64_t column) {
  alignas(64) std::array<float, static_cast<size_t>(kPanelRows * kTileColumns)> packed;
  const Tiles& tiles = tiles_for(product.columns - column > kLanes, product.a.is_transposed);
  const int64_t count = (rows + kTileRows - 1) / kTileRows;
  Panel panel{0, column, std::min(kPanelRows, product.inner)};
  do {
    (product.b.is_transposed ? pack_transposed : pack_rows)(product, panel, packed.data());
    const Panel next = behind(product, panel);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t m = first + rows * i / count, end = first + rows * (i + 1) / count;
      tiles[static_cast<size_t>(end - m - 1)](product,
                                              {m, column, panel.row, panel.inner, packed.data()});
      if (next.column < product.columns) prefetch(product, next, i, count);
    }
    panel = next;
  } while (panel.column == column && panel.row > 0);
}

}  // namespace

bool has_float_product() {
  return widest_instructions() == Instructions::kAvx512;
}

void float_product(const FloatProduct& product) {
  const int64_t panels = (product.columns + kTileColumns - 1) / kTileColumns;
  const int64_t blocks = (product.rows + kBlockRows - 1) / kBlockRows;
  parallel_for(0, panels * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * kBlockRows;
      multiply_block(product, first, std::min(kBlockRows, product.rows - first),
                     i / blocks * kTileColumns);
    }
  });
}

#else

bool has_float_product() {
  return false;
}

void float_product(const FloatProduct&) {
  SLMTUNE_ASSERT(false, "asked for without has_float_product()");
}

#endif

}  // namespace slmtune::kernels
