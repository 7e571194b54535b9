// The CPU loops of attention between its matrix products, over raw pointers.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// Products q·k of a block of queries: [queries, keys], contiguous; scores s are `scale` times them,
// bent by the soft-cap. The first query is at place `offset` among the keys; a query sees the keys
// up to its own place, or the last `window` of these.
struct ScoreBlock {
  int64_t queries, keys, offset;
  int64_t window;  // 0: none
  double scale;
  double soft_cap;  // 0: none
};

// products -> e^(s − maximum), 0 where a query must not see; every query sees a key. inverse_sums[i]
// makes them a softmax; log_sums[i] = log Σ e^s. Both [queries].
void softmax_rows(float* products, ScoreBlock block, float* inverse_sums, float* log_sums);
void softmax_rows(double* products, ScoreBlock block, double* inverse_sums, double* log_sums);

// products -> weights P = e^(s − log_sum); grad_weights dP -> their gradient P ⊙ (dP − shared) ·
// ds/dproduct; both 0 where a query must not see.
void softmax_rows_backward(float* products, float* grad_weights, ScoreBlock block,
                           const float* log_sums, const float* shared);
void softmax_rows_backward(double* products, double* grad_weights, ScoreBlock block,
                           const double* log_sums, const double* shared);

// out[r, :] = x[r, :] in float32, `stride` numbers between the rows of x.
void widen_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns, float* out);

// out[r, :] = x[r, :] · factors[r], `stride` numbers between the rows of out; null factors are 1.
void store_rows(const float* x, const float* factors, int64_t rows, int64_t columns, float* out,
                int64_t stride);
void store_rows(const float* x, const float* factors, int64_t rows, int64_t columns,
                BFloat16Bits* out, int64_t stride);
void store_rows(const double* x, const double* factors, int64_t rows, int64_t columns, double* out,
                int64_t stride);

// out[r, :] = Σ_p x[p, r, :] over `parts` matrices, `part_stride` numbers apart.
void sum_rows(const float* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              float* out, int64_t stride);
void sum_rows(const float* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              BFloat16Bits* out, int64_t stride);
void sum_rows(const double* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              double* out, int64_t stride);

// sums[r] = Σ_c a[r, c] · b[r, c]
void dot_rows(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t rows,
              int64_t columns, float* sums);
void dot_rows(const BFloat16Bits* a, int64_t a_stride, const BFloat16Bits* b, int64_t b_stride,
              int64_t rows, int64_t columns, float* sums);
void dot_rows(const double* a, int64_t a_stride, const double* b, int64_t b_stride, int64_t rows,
              int64_t columns, double* sums);

}  // namespace slmtune::kernels
