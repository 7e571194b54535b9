// Products with frozen weights, in the numbers of the activations or, where a recipe asks for it
// (train.matmul), in 8-bit ones: each row of both matrices is scaled to its largest magnitude, the
// product is made of the codes, and rescaled.
//
//   x ≈ sₓ · codes(x),  w ≈ s_w · codes(w):   y[m, n] = sₓ[m] · s_w[n] · Σ codes(x)[m]·codes(w)[n]
//
//   int8   codes are whole numbers from −127 to 127, their products added up exactly (at::_int_mm)
//
//   fp8    codes are float8 E4M3 numbers up to 448, added up in float32 (at::_scaled_mm)
//
// On the CPU the same arithmetic is done in wider numbers, as the reference of both.
//
// The errors are those of rounding rows to 7 bits or 4: what comes out is another training run, to
// be judged by a task score. Bound: 2·M·N·K operations; the codes of x cost two passes over it,
// those of w are made each time that w is written out.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace slmtune::kernels {

enum class Matmul { kModel, kFp8, kInt8 };

// Recipe words "bf16", "fp8", "int8".
Matmul matmul_of(const std::string& word);

// x·wᵀ: x [M, K], w [N, K] -> [M, N] in x's dtype. Shapes that the 8-bit products of a GPU do not
// take (is_served) are multiplied in the model's numbers.
at::Tensor times_transposed(const at::Tensor& x, const at::Tensor& w, Matmul matmul);

// g·w: g [M, N], w [N, K] -> [M, K]. The codes of w are made by its columns.
at::Tensor times(const at::Tensor& g, const at::Tensor& w, Matmul matmul);

// Whether a GPU has an 8-bit product [rows, inner] · [inner, columns]: LibTorch's int8 wants more
// than 16 rows and both others in eights, its fp8 both others in sixteens.
bool is_served(Matmul matmul, int64_t rows, int64_t inner, int64_t columns);

// UnavailableError G015 unless a GPU of this compute capability (ten times; 0 = the CPU) multiplies
// so: int8 from 8.0 on, fp8 from 8.9.
void check_matmul(Matmul matmul, int capability, const std::string& device);

// Codes of the rows of x [M, K], int8 or float8 E4M3, and their scales [M, 1] float32. A row of
// zeros gets the scale 1.
struct RowCodes {
  at::Tensor codes, scales;
};
RowCodes row_codes(const at::Tensor& x, Matmul matmul);

}  // namespace slmtune::kernels
