#include "kernels/matmul/pair_rows.h"

#include <algorithm>

#include "kernels/parallel.h"
#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

[[gnu::always_inline]] inline void put(float x, BFloat16Bits* out) {
  store_number(x, out);
}
[[gnu::always_inline]] inline void put(BFloat16Bits x, BFloat16Bits* out) {
  *out = x;
}

template <typename Number>
[[gnu::always_inline]] inline void interleave(const Number* x, int64_t stride, int64_t pairs,
                                              int64_t columns, BFloat16Bits* out) {
  for (int64_t i = 0; i < pairs; ++i, x += 2 * stride, out += 2 * columns) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      put(x[c], out + 2 * c);
      put(x[stride + c], out + 2 * c + 1);
    }
  }
}

SLMTUNE_VECTOR_VARIANTS
void whole_pairs(const float* x, int64_t stride, int64_t pairs, int64_t columns,
                 BFloat16Bits* out) {
  interleave(x, stride, pairs, columns, out);
}
SLMTUNE_VECTOR_VARIANTS
void whole_pairs(const BFloat16Bits* x, int64_t stride, int64_t pairs, int64_t columns,
                 BFloat16Bits* out) {
  interleave(x, stride, pairs, columns, out);
}

template <typename Number>
void pair_all(const Number* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out) {
  const int64_t grain = kElementsPerTask / std::max<int64_t>(1, 2 * columns) + 1;
  parallel_for(0, rows / 2, grain, [&](int64_t begin, int64_t end) {
    whole_pairs(x + 2 * begin * stride, stride, end - begin, columns, out + 2 * begin * columns);
  });
  if (rows % 2 == 0) return;
  for (int64_t c = 0; c < columns; ++c) {
    put(x[(rows - 1) * stride + c], out + (rows - 1) * columns + 2 * c);
    out[(rows - 1) * columns + 2 * c + 1] = {0};
  }
}

}  // namespace

void pair_rows(const float* x, int64_t stride, int64_t rows, int64_t columns, BFloat16Bits* out) {
  pair_all(x, stride, rows, columns, out);
}
void pair_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns,
               BFloat16Bits* out) {
  pair_all(x, stride, rows, columns, out);
}

}  // namespace slmtune::kernels
