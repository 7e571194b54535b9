// RMSNorm's table in the CUDA module (kernels/cuda/module.h has the rules) and the launchers of
// rms_norm.cu that fill it. Any shape; faster where rows are whole multiples of 16 bytes.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// The form of rms_norm.h: what the weight is added to, and where the norm is rounded.
enum class CudaNormForm : int { kLlama = 0, kGemma = 1 };

struct CudaRmsNorm {
  // x += addend [count, columns] (rounded to rows.element) unless it is null; then y = x · scale ·
  // weight with scale [count] float32 = 1 / sqrt(mean(x²) + eps). x, weight, y of rows.element.
  int (*forward)(CudaRows rows, CudaNormForm form, void* x, const void* addend, const void* weight,
                 void* y, float* scale, double eps, CudaStream stream);
  // out = base + gradient to x, or the gradient alone when `base` is null; `out` may be `base` or
  // `grad_y`.
  int (*backward)(CudaRows rows, CudaNormForm form, const void* grad_y, const void* x,
                  const void* weight, const float* scale, const void* base, void* out,
                  CudaStream stream);
  // Rows of the workspace `partial` [partial_rows, columns] float32 that the weight gradient needs.
  int64_t (*partial_rows)(int64_t rows);
  int (*weight_gradient)(CudaRows rows, CudaNormForm form, const void* grad_y, const void* x,
                         const float* scale, void* grad_weight, float* partial, CudaStream stream);
};

int launch_rms_norm_forward(CudaRows rows, CudaNormForm form, void* x, const void* addend,
                            const void* weight, void* y, float* scale, double eps,
                            CudaStream stream);
int launch_rms_norm_backward(CudaRows rows, CudaNormForm form, const void* grad_y, const void* x,
                             const void* weight, const float* scale, const void* base, void* out,
                             CudaStream stream);
int64_t rms_norm_partial_rows(int64_t rows);
int launch_rms_norm_weight_gradient(CudaRows rows, CudaNormForm form, const void* grad_y,
                                    const void* x, const float* scale, void* grad_weight,
                                    float* partial, CudaStream stream);

}  // namespace slmtune::kernels
