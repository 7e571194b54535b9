// The CPU loops of RMSNorm over raw pointers, one pass per row. rms_norm.cpp calls them from
// at::parallel_for. Results do not depend on the number of threads; they may differ in the last bit
// between CPUs of different vector width.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

// y[r, :] = x[r, :] · scale[r] · weight, scale[r] = 1 / sqrt(mean(x[r, :]²) + eps). Rows of
// `columns` floats, contiguous.
void rms_norm_rows(const float* x, const float* weight, float* y, float* scale, int64_t rows,
                   int64_t columns, double eps);

// grad_x[r, :] = scale · (g − n · mean(g · n)) with g = grad_y · weight and n = x · scale.
void rms_norm_rows_backward(const float* grad_y, const float* x, const float* weight,
                            const float* scale, float* grad_x, int64_t rows, int64_t columns);

// grad_weight[:] += Σ_r grad_y[r, :] · x[r, :] · scale[r], rows in order.
void rms_norm_rows_weight_gradient(const float* grad_y, const float* x, const float* scale,
                                   float* grad_weight, int64_t rows, int64_t columns);

}  // namespace slmtune::kernels
