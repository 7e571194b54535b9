// Launchers of rms_norm.cu, called by the CUDA module's table (kernels/cuda/module.h has the
// contract). The stream is the caller's; nothing is waited for. Each returns the cudaError_t of its
// launches.
#pragma once
#include "kernels/cuda/module.h"

struct CUstream_st;

namespace slmtune::kernels {

int launch_rms_norm_forward(CudaRows rows, const void* x, const void* weight, void* y, float* scale,
                            double eps, CUstream_st* stream);
int64_t rms_norm_partial_rows(int64_t rows);
int launch_rms_norm_backward(CudaRows rows, const void* grad_y, const void* x, const void* weight,
                             const float* scale, void* grad_x, void* grad_weight, float* partial,
                             CUstream_st* stream);

}  // namespace slmtune::kernels
