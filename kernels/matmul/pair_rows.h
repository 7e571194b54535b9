// The form in which tiles take a transposed a of bfloat16: two numbers of a sum lie side by side.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// out[r / 2, c, r % 2] = x[r, c] in bfloat16, 0 beside an odd last row; `stride` numbers between
// the rows of x.
void pair_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out);
void pair_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns,
               BFloat16Bits* out);

}  // namespace slmtune::kernels
