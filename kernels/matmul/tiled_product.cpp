#include "kernels/matmul/tiled_product.h"

#include <algorithm>
#include <array>
#include <cstring>
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

#define SLMTUNE_TILE __attribute__((target("avx512f,avx512bw,avx512vl,fma,avx512bf16")))
#define SLMTUNE_TILE_INLINE [[gnu::always_inline]] SLMTUNE_TILE inline

constexpr int64_t kLanes = 16;
constexpr int64_t kTileRows = 14, kTileColumns = 2 * kLanes;
// Of a panel: a step is one row of b, or two of bfloat16.
constexpr int64_t kPanelSteps = 512;
// Rows of a beside one panel: what of them is multiplied by it stays in L2.
constexpr int64_t kBlockRows = 36 * kTileRows;

__mmask16 mask_of(int64_t lanes) {
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

// What a tile is made of: rows of a and of the result from `first` on, columns from `column` on,
// and `inner` of a's columns from `row` on, which `packed` holds of b. Between panels the sums are
// kept in `kept`, 32 of each row.
struct Tile {
  int64_t first, column, row, inner;
  const float* packed;
  float* kept;
};

// One step of every sum of a tile. kLast: of two numbers a type takes at once, only one is there.
template <bool kLast, typename Number, size_t kRows, size_t kVectors>
SLMTUNE_TILE_INLINE void add_step(__m512 (&sums)[kRows][kVectors], const Number* a,
                                  int64_t row_step, const float* packed) {
  using Of = Lanes<Number>;
  __m512 b[kVectors];
#pragma GCC unroll 2
  for (size_t v = 0; v < kVectors; ++v)
    b[v] = _mm512_load_ps(packed + static_cast<int64_t>(v) * kLanes);
#pragma GCC unroll 14
  for (size_t i = 0; i < kRows; ++i) {
    const Number* from = a + static_cast<int64_t>(i) * row_step;
    const __m512 x = kLast ? Of::broadcast_last(from) : Of::broadcast(from);
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v) sums[i][v] = Of::add_product(x, b[v], sums[i][v]);
  }
}

template <typename Number, size_t kRows, size_t kVectors, bool kTransposed>
SLMTUNE_TILE void add_tile(const TiledProduct<Number>& product, const Tile& tile) {
  using Of = Lanes<Number>;
  const int64_t row_step = kTransposed ? 1 : product.a.stride,
                inner_step = kTransposed ? product.a.stride : 1;
  const Number* a = product.a.data + tile.first * row_step + tile.row * inner_step;
  Number* out = product.out + tile.first * product.out_stride + tile.column;
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
      sums[i][v] =
          tile.row > 0 ? _mm512_load_ps(tile.kept + at(i, kTileColumns, v)) : _mm512_setzero_ps();
  const int64_t steps = tile.inner / Of::kStep, whole = steps * Of::kStep;
  for (int64_t s = 0; s < steps; ++s)
    add_step<false>(sums, a + s * Of::kStep * inner_step, row_step, tile.packed + s * kTileColumns);
  if (whole < tile.inner)
    add_step<true>(sums, a + whole * inner_step, row_step, tile.packed + steps * kTileColumns);
  if (tile.row + tile.inner < product.inner) {
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v)
        _mm512_store_ps(tile.kept + at(i, kTileColumns, v), sums[i][v]);
    return;
  }
  if (product.addend != nullptr) {
    const Number* addend = product.addend + tile.first * product.addend_stride + tile.column;
    const __m512 scale = _mm512_set1_ps(product.scale);
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v)
        sums[i][v] = _mm512_fmadd_ps(sums[i][v], scale,
                                     Of::load(masks[v], addend + at(i, product.addend_stride, v)));
  }
#pragma GCC unroll 14
  for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
      Of::store(out + at(i, product.out_stride, v), masks[v], sums[i][v]);
}

template <typename Number>
using AddTile = void (*)(const TiledProduct<Number>&, const Tile&);
template <typename Number>
using Tiles = std::array<AddTile<Number>, static_cast<size_t>(kTileRows)>;  // by rows less one

template <typename Number, size_t kVectors, bool kTransposed, size_t... kCounts>
constexpr Tiles<Number> tiles(std::index_sequence<kCounts...>) {
  return {add_tile<Number, kCounts + 1, kVectors, kTransposed>...};
}

template <typename Number>
const Tiles<Number>& tiles_for(bool is_wide, bool is_transposed) {
  constexpr auto kEach = std::make_index_sequence<static_cast<size_t>(kTileRows)>();
  static constexpr Tiles<Number> kPlain[] = {tiles<Number, 1, false>(kEach),
                                             tiles<Number, 2, false>(kEach)};
  if constexpr (Lanes<Number>::kStep == 1) {
    static constexpr Tiles<Number> kTransposed[] = {tiles<Number, 1, true>(kEach),
                                                    tiles<Number, 2, true>(kEach)};
    if (is_transposed) return kTransposed[is_wide ? 1 : 0];
  }
  SLMTUNE_ASSERT(!is_transposed || Lanes<Number>::kStep == 1, "a is not taken transposed");
  return kPlain[is_wide ? 1 : 0];
}

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

// Rows [row, row + inner) and 32 columns of b from `column` on.
struct Panel {
  int64_t row, column, inner;
};

// Steps of 32 lanes; columns and numbers beyond b are zeros.
template <typename Number>
SLMTUNE_TILE void pack_rows(const TiledProduct<Number>& product, const Panel& panel,
                            float* packed) {
  using Of = Lanes<Number>;
  const int64_t stride = product.b.stride;
  const __mmask16 first = mask_of(product.columns - panel.column),
                  second = mask_of(product.columns - panel.column - kLanes);
  const Number* b = product.b.data + panel.row * stride + panel.column;
  for (int64_t r = 0; r < panel.inner; r += Of::kStep, packed += kTileColumns) {
    const bool has_second = r + 1 < panel.inner;
    _mm512_store_ps(packed, Of::step_of_rows(first, b + r * stride, stride, has_second));
    _mm512_store_ps(packed + kLanes,
                    Of::step_of_rows(second, b + r * stride + kLanes, stride, has_second));
  }
}

template <typename Number>
SLMTUNE_TILE void pack_transposed(const TiledProduct<Number>& product, const Panel& panel,
                                  float* packed) {
  using Of = Lanes<Number>;
  for (int64_t half = 0; half < kTileColumns; half += kLanes) {
    const int64_t present = product.columns - panel.column - half;
    const Number* b = product.b.data + (panel.column + half) * product.b.stride + panel.row;
    float* to = packed + half;
    for (int64_t r = 0; r < panel.inner; r += kLanes * Of::kStep, to += kLanes * kTileColumns) {
      __m512 x[16];
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i)
        x[i] = i < present ? Of::steps(b + i * product.b.stride + r, panel.inner - r)
                           : _mm512_setzero_ps();
      transpose(x);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i) _mm512_store_ps(to + i * kTileColumns, x[i]);
    }
  }
}

// Asks for part `part` of `parts` of what `panel` will be packed from.
template <typename Number>
void prefetch(const TiledProduct<Number>& product, const Panel& panel, int64_t part,
              int64_t parts) {
  constexpr auto kLine = static_cast<int64_t>(64 / sizeof(Number));
  const int64_t columns = std::min(kTileColumns, product.columns - panel.column);
  const bool is_transposed = product.b.is_transposed;
  const int64_t first = is_transposed ? panel.column : panel.row,
                rows = is_transposed ? columns : panel.inner,
                offset = is_transposed ? panel.row : panel.column,
                lines = ((is_transposed ? panel.inner : columns) + kLine - 1) / kLine;
  const int64_t total = rows * lines;
  for (int64_t i = total * part / parts; i < total * (part + 1) / parts; ++i)
    _mm_prefetch(
        product.b.data + (first + i / lines) * product.b.stride + offset + i % lines * kLine,
        _MM_HINT_T1);
}

template <typename Number>
Panel panel_at(const TiledProduct<Number>& product, int64_t row, int64_t column) {
  return {row, column, std::min(kPanelSteps * Lanes<Number>::kStep, product.inner - row)};
}

// The one that is packed behind `panel`; of no columns behind the last.
template <typename Number>
Panel behind(const TiledProduct<Number>& product, const Panel& panel) {
  const int64_t row = panel.row + panel.inner;
  if (row < product.inner) return panel_at(product, row, panel.column);
  return panel_at(product, 0, panel.column + kTileColumns);
}

// The results in 32 columns from `column` on, for `rows` rows from `first` on.
template <typename Number>
void multiply_block(const TiledProduct<Number>& product, int64_t first, int64_t rows,
                    int64_t column) {
  alignas(64) std::array<float, static_cast<size_t>(kPanelSteps * kTileColumns)> packed;
  alignas(64) std::array<float, static_cast<size_t>(kBlockRows * kTileColumns)> kept;
  const Tiles<Number>& tiles =
      tiles_for<Number>(product.columns - column > kLanes, product.a.is_transposed);
  const int64_t count = (rows + kTileRows - 1) / kTileRows;
  Panel panel = panel_at(product, 0, column);
  do {
    (product.b.is_transposed ? pack_transposed<Number> : pack_rows<Number>)(product, panel,
                                                                            packed.data());
    const Panel next = behind(product, panel);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = rows * i / count, end = rows * (i + 1) / count;
      tiles[static_cast<size_t>(end - begin - 1)](
          product, {first + begin, column, panel.row, panel.inner, packed.data(),
                    kept.data() + begin * kTileColumns});
      if (next.column < product.columns) prefetch(product, next, i, count);
    }
    panel = next;
  } while (panel.column == column && panel.row > 0);
}

}  // namespace

template <>
bool has_tiled_product<float>() {
  return widest_instructions() == Instructions::kAvx512;
}

template <>
bool has_tiled_product<BFloat16Bits>() {
  return has_tiled_product<float>() && __builtin_cpu_supports("avx512bf16");
}

template <typename Number>
void multiply_tiled(const TiledProduct<Number>& product) {
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

template <typename Number>
bool has_tiled_product() {
  return false;
}

template <typename Number>
void multiply_tiled(const TiledProduct<Number>&) {
  SLMTUNE_ASSERT(false, "asked for without has_tiled_product()");
}

template bool has_tiled_product<float>();
template bool has_tiled_product<BFloat16Bits>();

#endif

template void multiply_tiled(const TiledProduct<float>& product);
template void multiply_tiled(const TiledProduct<BFloat16Bits>& product);

}  // namespace slmtune::kernels
