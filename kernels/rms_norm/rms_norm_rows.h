// The CPU loops of RMSNorm over raw pointers, one pass per row. rms_norm.cpp calls them from
// parallel_for. Results do not depend on the number of threads; they may differ in the last bit
// between CPUs of different vector width.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// Rows of `columns` numbers, contiguous. w is the weight plus `offset` (1 for Gemma's form).
struct NormRows {
  int64_t rows, columns;
  float offset;
  bool rounds_before_weight;  // to the numbers' own type (Llama's form)
};

// y[r, :] = x[r, :] · scale[r] · w, scale[r] = 1 / sqrt(mean(x[r, :]²) + eps).
void rms_norm_rows(const float* x, const float* weight, float* y, float* scale, NormRows shape,
                   double eps);
void rms_norm_rows(const BFloat16Bits* x, const BFloat16Bits* weight, BFloat16Bits* y, float* scale,
                   NormRows shape, double eps);

// x[r, :] += addend[r, :] first.
void add_rms_norm_rows(float* x, const float* addend, const float* weight, float* y, float* scale,
                       NormRows shape, double eps);
void add_rms_norm_rows(BFloat16Bits* x, const BFloat16Bits* addend, const BFloat16Bits* weight,
                       BFloat16Bits* y, float* scale, NormRows shape, double eps);

// out[r, :] = base[r, :] + scale · (g − n · mean(g · n)) with g = grad_y · w and n = x · scale.
// Without `base` (null) nothing is added; `out` may be `base` or, without it, `grad_y`.
void rms_norm_rows_backward(const float* grad_y, const float* x, const float* weight,
                            const float* scale, const float* base, float* out, NormRows shape);
void rms_norm_rows_backward(const BFloat16Bits* grad_y, const BFloat16Bits* x,
                            const BFloat16Bits* weight, const float* scale,
                            const BFloat16Bits* base, BFloat16Bits* out, NormRows shape);

// grad_weight[:] += Σ_r grad_y[r, :] · x[r, :] · scale[r], rows in order.
void rms_norm_rows_weight_gradient(const float* grad_y, const float* x, const float* scale,
                                   float* grad_weight, NormRows shape);
void rms_norm_rows_weight_gradient(const BFloat16Bits* grad_y, const BFloat16Bits* x,
                                   const float* scale, float* grad_weight, NormRows shape);

}  // namespace slmtune::kernels
