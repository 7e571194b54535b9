// NF4 tensors that lie on a GPU: what nf4_weight.cpp does where it cannot loop over them itself.
// Results are the bits that it would have got in host memory. Everything runs on `stream` and is
// not waited for, but for the mean of the scales. G004 a kernel that cannot start.
#pragma once
#include "kernels/quant/nf4/nf4_cuda.h"
#include "kernels/quant/nf4/nf4_weight.h"

namespace slmtune::kernels {

// `dense` is contiguous; types other than float32 and bfloat16 take a copy in float32.
Nf4Tensors quantise_nf4_on_device(const CudaNf4& kernels, const at::Tensor& dense,
                                  CudaStream stream);

// Fills `target`, float32 or bfloat16 of as many values: contiguous, or a matrix whose rows stand
// apart.
void dequantise_nf4_on_device(const CudaNf4& kernels, const Nf4Tensors& stored, at::Tensor& target,
                              CudaStream stream);

}  // namespace slmtune::kernels
