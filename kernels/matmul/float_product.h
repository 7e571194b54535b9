// Products of float32 matrices on the CPU:
//
//   out[m, c] (+)= Σᵣ a[m, r] · b[r, c],   each of a and b row by row, or as its transpose
//
// The library that LibTorch brings multiplies so at half the rate of the machine on AMD's
// processors, and on Intel's spends a tenth of a step on packing weights that never change. Here
// tiles of 14 × 32 results stay in registers (Goto and van de Geijn, Anatomy of High-Performance
// Matrix Multiplication, 2008), and only a panel of b is packed, once for all rows of a.
//
// Every result is one chain of fused multiply-adds in the order of r, whatever is beside it: its
// bits depend neither on other rows and columns nor on the number of threads.
//
// Bound: 2·M·R·C operations at two fused multiply-adds of 16 lanes a cycle and core, 16 loads for 28
// of them; the panel stays in L1 and L2, and the next one is asked for meanwhile. One core of an
// EPYC 9005 reaches 90 % of 258 GFLOP/s (LibTorch's library: 40 %).
#pragma once
#include <cstdint>

namespace slmtune::kernels {

struct FloatMatrix {
  const float* data;
  int64_t stride;      // between rows of what lies in memory
  bool is_transposed;  // what lies there is the matrix's transpose
};

struct FloatProduct {
  FloatMatrix a;  // [rows, inner]
  FloatMatrix b;  // [inner, columns]
  float* out;     // [rows, columns]; overlaps neither a nor b
  int64_t out_stride;
  int64_t rows, inner, columns;
  bool adds = false;  // the sums begin with what `out` holds, in place of 0
  // Added to each finished sum: [rows, columns], or one row for all (stride 0).
  const float* addend = nullptr;
  int64_t addend_stride = 0;
};

// Whether this machine has the instructions (AVX-512).
bool has_float_product();

// Needs has_float_product().
void float_product(const FloatProduct& product);

}  // namespace slmtune::kernels
