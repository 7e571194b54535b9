// Products of matrices on the CPU, float32 or bfloat16 with sums in float32:
//
//   out[m, c] = addend[m, c] + scale · (Σᵣ a[m, r] · b[r, c] + Σₗ low_a[m, l] · low_b[l, c])
//
// each of a and b row by row, or as its transpose. The second sum, of an adapter, costs no second
// way through the result.
//
// The library that LibTorch brings multiplies float32 at less than half the rate of the machine on
// AMD's processors, and on Intel's spends a tenth of a step on packing weights that never change.
// Here tiles of 14 × 32 results stay in registers (Goto and van de Geijn, Anatomy of
// High-Performance Matrix Multiplication, 2008), and only a panel of b is packed, once for 518 rows
// of a.
//
// Every result is one chain of sums in the order of r and l, whatever is beside it: its bits depend
// neither on other rows and columns nor on the number of threads.
//
// Bound: 2·M·R·C operations at two fused multiply-adds of 16 lanes a cycle and core (bfloat16: two
// of 32), 16 loads for 28 of them; the panel stays in L1 and L2, and the next one is asked for
// meanwhile. One core of an EPYC 9005 reaches 93 % of 258 GFLOP/s in float32 (LibTorch's library:
// 40 %) and 94 % of 516 in bfloat16.
#pragma once
#include <cstdint>
#include <type_traits>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

template <typename Number>
struct Operand {
  const Number* data;
  int64_t stride;      // between rows of what lies in memory
  bool is_transposed;  // what lies there is the matrix's transpose
};

constexpr int64_t kMostLowInner = 128;

// A panel is 32 columns of b, step after step of the sums: a row, or of bfloat16 two, side by side.
constexpr int64_t kPanelColumns = 32;

// A b [inner, columns] that several products share or take parts of, packed by pack_panels().
template <typename Number>
struct Panels {
  const float* data = nullptr;
  int64_t stride = 0;  // between panels

  static constexpr int64_t kRowsPerStep = std::is_same_v<Number, BFloat16Bits> ? 2 : 1;
  // Multiples of kPanelColumns.
  Panels from_row(int64_t row) const { return {data + row / kRowsPerStep * kPanelColumns, stride}; }
  Panels from_column(int64_t column) const {
    return {data + column / kPanelColumns * stride, stride};
  }
};

// Number: float or BFloat16Bits; Result: the same, or float.
template <typename Number, typename Result = Number>
struct TiledProduct {
  // [rows, inner]. Of bfloat16 a transpose is taken as pair_rows() writes it, with the stride
  // between pairs.
  Operand<Number> a;
  Operand<Number> b;  // [inner, columns]
  Result* out;        // [rows, columns]; overlaps neither a nor b
  int64_t out_stride;
  int64_t rows, inner, columns;
  // Nothing, [rows, columns], which may be `out` itself, or one row for all (stride 0).
  const Result* addend = nullptr;
  int64_t addend_stride = 0;
  float scale = 1.0f;                // where there is an addend
  Operand<Number> low_a{}, low_b{};  // as a and b; low_a not transposed
  int64_t low_inner = 0;             // at most kMostLowInner
  Panels<Number> panels{};           // of b, which is not read then
};

// Whether this machine has the instructions: AVX-512, and AVX512-BF16 for bfloat16.
template <typename Number>
bool has_tiled_product();

// Needs has_tiled_product<Number>().
template <typename Number, typename Result>
void multiply_tiled(const TiledProduct<Number, Result>& product);

// Numbers that pack_panels() writes.
template <typename Number>
int64_t panels_size(int64_t inner, int64_t columns);

// Packs b [inner, columns] on the calling thread into `out`, which begins at a multiple of 64
// bytes. Needs has_tiled_product<Number>().
template <typename Number>
Panels<Number> pack_panels(const Operand<Number>& b, int64_t inner, int64_t columns, float* out);

}  // namespace slmtune::kernels
