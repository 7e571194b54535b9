#include "kernels/matmul/tiled_product.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/error.h"
#include "kernels/instructions.h"
#include "kernels/matmul/pack_panel.h"
#include "kernels/matmul/tile_lanes.h"
#include "kernels/parallel.h"

namespace slmtune::kernels {
#if defined(__x86_64__)
namespace {

constexpr int64_t kTileRows = 14;
// Of a panel: a step is one row of b, or two of bfloat16. Deeper products take less at a time, so
// that the rows of a beside it stay in L2, too.
constexpr int64_t kPanelSteps = 512, kDeepPanelSteps = 256;
// Most rows of a beside one panel. More than 512, so that this many tokens need every panel once.
constexpr int64_t kBlockRows = 37 * kTileRows;
// Panels beside each other that take turns at the rows of a while these are in L2.
constexpr int64_t kGroup = 8;
// A smaller b is in the cache when its product comes.
constexpr int64_t kPrefetchedBytes = 256 << 10;
// Panels a thread gets at least, or the rows are shared out, too.
constexpr int64_t kPanelsPerThread = 4;

// What a tile is made of: rows of a and of the result from `first` on, columns from `column` on,
// and `inner` of a's columns from `row` on, which `packed` holds of b, and `low_packed` of low_b.
// Between panels the sums are kept in `kept`, 32 of each row.
struct Tile {
  int64_t first, column, row, inner;
  const float *packed, *low_packed;
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

template <typename Number, size_t kRows, size_t kVectors>
SLMTUNE_TILE_INLINE void add_steps(__m512 (&sums)[kRows][kVectors], const Number* a,
                                   int64_t row_step, int64_t step, int64_t inner,
                                   const float* packed) {
  const int64_t steps = inner / Lanes<Number>::kStep;
  for (int64_t s = 0; s < steps; ++s)
    add_step<false>(sums, a + s * step, row_step, packed + s * kPanelColumns);
  if (steps * Lanes<Number>::kStep < inner)
    add_step<true>(sums, a + steps * step, row_step, packed + steps * kPanelColumns);
}

template <typename Number, typename Result, size_t kRows, size_t kVectors, bool kTransposed>
SLMTUNE_TILE void add_tile(const TiledProduct<Number, Result>& product, const Tile& tile) {
  using Of = Lanes<Number>;
  const int64_t row_step = kTransposed ? Of::kStep : product.a.stride,
                step = kTransposed ? product.a.stride : Of::kStep;
  const Number* a = product.a.data + tile.first * row_step + tile.row / Of::kStep * step;
  Result* out = product.out + tile.first * product.out_stride + tile.column;
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
          tile.row > 0 ? _mm512_load_ps(tile.kept + at(i, kPanelColumns, v)) : _mm512_setzero_ps();
  add_steps(sums, a, row_step, step, tile.inner, tile.packed);
  if (tile.row + tile.inner < product.inner) {
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v)
        _mm512_store_ps(tile.kept + at(i, kPanelColumns, v), sums[i][v]);
    return;
  }
  if (product.low_inner > 0)
    add_steps(sums, product.low_a.data + tile.first * product.low_a.stride, product.low_a.stride,
              Of::kStep, product.low_inner, tile.low_packed);
  if (product.addend != nullptr) {
    const Result* addend = product.addend + tile.first * product.addend_stride + tile.column;
    const __m512 scale = _mm512_set1_ps(product.scale);
#pragma GCC unroll 14
    for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (size_t v = 0; v < kVectors; ++v)
        sums[i][v] = _mm512_fmadd_ps(
            sums[i][v], scale,
            Lanes<Result>::load(masks[v], addend + at(i, product.addend_stride, v)));
  }
#pragma GCC unroll 14
  for (size_t i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (size_t v = 0; v < kVectors; ++v)
      Lanes<Result>::store(out + at(i, product.out_stride, v), masks[v], sums[i][v]);
}

template <typename Number, typename Result>
using AddTile = void (*)(const TiledProduct<Number, Result>&, const Tile&);
template <typename Number, typename Result>  // by rows less one
using Tiles = std::array<AddTile<Number, Result>, static_cast<size_t>(kTileRows)>;

template <typename Number, typename Result, size_t kVectors, bool kTransposed, size_t... kCounts>
constexpr Tiles<Number, Result> tiles(std::index_sequence<kCounts...>) {
  return {add_tile<Number, Result, kCounts + 1, kVectors, kTransposed>...};
}

template <typename Number, typename Result>
const Tiles<Number, Result>& tiles_for(bool is_wide, bool is_transposed) {
  constexpr auto kEach = std::make_index_sequence<static_cast<size_t>(kTileRows)>();
  static constexpr Tiles<Number, Result> kAll[2][2] = {
      {tiles<Number, Result, 1, false>(kEach), tiles<Number, Result, 2, false>(kEach)},
      {tiles<Number, Result, 1, true>(kEach), tiles<Number, Result, 2, true>(kEach)}};
  return kAll[is_transposed ? 1 : 0][is_wide ? 1 : 0];
}

// Asks, a few cache lines at a time, for what a panel will be packed from.
template <typename Number>
class Prefetch {
 public:
  Prefetch(const Operand<Number>& b, const Panel& panel) : stride_(b.stride) {
    if (panel.inner <= 0) return;
    rows_ = b.is_transposed ? panel.columns : panel.inner;
    lines_ = ((b.is_transposed ? panel.inner : panel.columns) + kLine - 1) / kLine;
    row_ = b.data + (b.is_transposed ? panel.column * stride_ + panel.row
                                     : panel.row * stride_ + panel.column);
  }

  int64_t lines() const { return rows_ * lines_; }

  void ask_for(int64_t count) {
    for (; count > 0 && rows_ > 0; --count) {
      _mm_prefetch(row_ + line_ * kLine, _MM_HINT_T1);
      if (++line_ < lines_) continue;
      line_ = 0;
      if (--rows_ > 0) row_ += stride_;
    }
  }

 private:
  static constexpr auto kLine = static_cast<int64_t>(64 / sizeof(Number));
  const Number* row_ = nullptr;
  int64_t stride_, rows_ = 0, lines_ = 0, line_ = 0;
};

template <typename Number, typename Result>
Panel panel_at(const TiledProduct<Number, Result>& product, int64_t row, int64_t column) {
  constexpr int64_t kStep = Lanes<Number>::kStep;
  const int64_t steps = product.inner > kPanelSteps * kStep ? kDeepPanelSteps : kPanelSteps;
  return {row, column, std::min(steps * kStep, product.inner - row),
          std::min(kPanelColumns, product.columns - column)};
}

// Rows of a and of the result, and the first columns of panels beside each other.
struct Group {
  int64_t first, rows;
  int64_t column, panels;
};

// The panel behind `panel` in a group's order: the next one of the same rows of b, or the first of
// the rows below; behind the last one of no rows.
template <typename Number, typename Result>
Panel behind(const TiledProduct<Number, Result>& product, const Group& group, const Panel& panel) {
  const int64_t column = panel.column + kPanelColumns;
  if (column < group.column + group.panels * kPanelColumns)
    return panel_at(product, panel.row, column);
  return panel_at(product, panel.row + panel.inner, group.column);
}

// Sums of a group between its panels.
float* kept_sums() {
  struct alignas(64) Vector {
    float lanes[kLanes];
  };
  static thread_local std::vector<Vector> kept(
      static_cast<size_t>(kGroup * kBlockRows * kPanelColumns / kLanes));
  return kept.front().lanes;
}

template <typename Number, typename Result>
void multiply_group(const TiledProduct<Number, Result>& product, const Group& group) {
  alignas(64) std::array<float, static_cast<size_t>(kPanelSteps * kPanelColumns)> packed;
  alignas(64) std::array<float, static_cast<size_t>(kMostLowInner * kPanelColumns)> low_packed;
  const int64_t count = (group.rows + kTileRows - 1) / kTileRows;
  float* kept = kept_sums();
  const bool is_far =
      product.panels.data == nullptr &&
      product.inner * product.columns * static_cast<int64_t>(sizeof(Number)) > kPrefetchedBytes;
  Panel panel = panel_at(product, 0, group.column);
  do {
    const float* of_b = product.panels.data != nullptr
                            ? product.panels.from_column(panel.column).from_row(panel.row).data
                            : pack(product.b, panel, packed.data());
    const bool is_last = panel.row + panel.inner == product.inner;
    if (is_last && product.low_inner > 0)
      pack(product.low_b, {0, panel.column, product.low_inner, panel.columns}, low_packed.data());
    const Panel next = behind(product, group, panel);
    Prefetch<Number> prefetch(product.b, is_far ? next : Panel{});
    const int64_t lines = prefetch.lines() / count + 1;
    const auto& tiles = tiles_for<Number, Result>(panel.columns > kLanes, product.a.is_transposed);
    float* sums = kept + (panel.column - group.column) * kBlockRows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = group.rows * i / count, end = group.rows * (i + 1) / count;
      tiles[static_cast<size_t>(end - begin - 1)](
          product, {group.first + begin, panel.column, panel.row, panel.inner, of_b,
                    low_packed.data(), sums + begin * kPanelColumns});
      prefetch.ask_for(lines);
    }
    panel = next;
  } while (panel.inner > 0);
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

template <typename Number, typename Result>
void multiply_tiled(const TiledProduct<Number, Result>& product) {
  SLMTUNE_ASSERT(product.low_inner <= kMostLowInner, "more than few numbers");
  const int64_t panels = (product.columns + kPanelColumns - 1) / kPanelColumns;
  const int64_t threads = thread_count();
  int64_t blocks = (product.rows + kBlockRows - 1) / kBlockRows;
  if (panels < kPanelsPerThread * threads)
    blocks = std::max(blocks, std::min(threads, product.rows / kTileRows));
  parallel_for(0, panels * blocks, 1, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t block = begin / panels, panel = begin % panels,
                    first = product.rows * block / blocks;
      const int64_t count = std::min({kGroup, end - begin, panels - panel});
      multiply_group(product, {first, product.rows * (block + 1) / blocks - first,
                               panel * kPanelColumns, count});
      begin += count;
    }
  });
}

// The transposing packs sixteen steps at a time.
template <typename Number>
int64_t panels_size(int64_t inner, int64_t columns) {
  constexpr int64_t kRows = kLanes * Lanes<Number>::kStep;
  return (inner + kRows - 1) / kRows * kLanes *
         ((columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns);
}

template <typename Number>
Panels<Number> pack_panels(const Operand<Number>& b, int64_t inner, int64_t columns, float* out) {
  const Panels<Number> panels{out, panels_size<Number>(inner, kPanelColumns)};
  for (int64_t column = 0; column < columns; column += kPanelColumns, out += panels.stride)
    pack(b, {0, column, inner, std::min(kPanelColumns, columns - column)}, out);
  return panels;
}

#else

template <typename Number>
bool has_tiled_product() {
  return false;
}

template <typename Number, typename Result>
void multiply_tiled(const TiledProduct<Number, Result>&) {
  SLMTUNE_ASSERT(false, "asked for without has_tiled_product()");
}

template <typename Number>
int64_t panels_size(int64_t, int64_t) {
  return 0;
}

template <typename Number>
Panels<Number> pack_panels(const Operand<Number>&, int64_t, int64_t, float*) {
  SLMTUNE_ASSERT(false, "asked for without has_tiled_product()");
  return {};
}

template bool has_tiled_product<float>();
template bool has_tiled_product<BFloat16Bits>();

#endif

template void multiply_tiled(const TiledProduct<float>& product);
template void multiply_tiled(const TiledProduct<BFloat16Bits>& product);
template void multiply_tiled(const TiledProduct<BFloat16Bits, float>& product);
template int64_t panels_size<float>(int64_t, int64_t);
template int64_t panels_size<BFloat16Bits>(int64_t, int64_t);
template Panels<float> pack_panels(const Operand<float>&, int64_t, int64_t, float*);
template Panels<BFloat16Bits> pack_panels(const Operand<BFloat16Bits>&, int64_t, int64_t, float*);

}  // namespace slmtune::kernels
