// The forms in which tiles take factors of bfloat16. All need has_tiled_product<BFloat16Bits>(),
// whose instructions round sixteen numbers at once.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// out[i] = x[i] in bfloat16, on the calling thread.
void round_numbers(const float* x, int64_t count, BFloat16Bits* out);

// The form of a transposed a, where two numbers of a sum lie side by side: out[r / 2, c, r % 2] =
// x[r, c] in bfloat16, 0 beside an odd last row; `stride` numbers between the rows of x.
void pair_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out);
void pair_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns,
               BFloat16Bits* out);

}  // namespace slmtune::kernels
