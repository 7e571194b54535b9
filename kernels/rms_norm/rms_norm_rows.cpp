#include "kernels/rms_norm/rms_norm_rows.h"

#include <cmath>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows(const float* x, const float* weight, float* y, float* scale, int64_t rows,
                   int64_t columns, double eps) {
  for (int64_t r = 0; r < rows; ++r, x += columns, y += columns) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += x[c] * x[c];
    const float mean = sum / static_cast<float>(columns);
    const float factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(mean) + eps));
    scale[r] = factor;
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) y[c] = x[c] * factor * weight[c];
  }
}

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_backward(const float* grad_y, const float* x, const float* weight,
                            const float* scale, float* grad_x, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, grad_y += columns, grad_x += columns) {
    const float factor = scale[r];
    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < columns; ++c) dot += grad_y[c] * weight[c] * x[c];
    const float shared = dot * factor * factor / static_cast<float>(columns);
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c)
      grad_x[c] = factor * (grad_y[c] * weight[c] - x[c] * shared);
  }
}

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_weight_gradient(const float* grad_y, const float* x, const float* scale,
                                   float* grad_weight, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, x += columns, grad_y += columns) {
    const float factor = scale[r];
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) grad_weight[c] += grad_y[c] * x[c] * factor;
  }
}

}  // namespace slmtune::kernels
