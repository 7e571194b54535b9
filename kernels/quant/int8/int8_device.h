// int8 tensors that lie on a GPU: what int8_weight.cpp does where it cannot loop over them itself,
// to the same bits. Everything runs on `stream` and is not waited for. G004 a kernel that cannot
// start.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/quant/int8/int8_cuda.h"

namespace slmtune::kernels {

// Fills codes [out, in] int8 and absmax [out] float32. `dense` [out, in] is contiguous; types other
// than float32 and bfloat16 take a copy in float32.
void quantise_int8_on_device(const CudaInt8& kernels, const at::Tensor& dense, at::Tensor& codes,
                             at::Tensor& absmax, CudaStream stream);

// Fills `target` [out, in], float32 or bfloat16; its rows may stand apart.
void dequantise_int8_on_device(const CudaInt8& kernels, const at::Tensor& codes,
                               const at::Tensor& absmax, at::Tensor& target, CudaStream stream);

}  // namespace slmtune::kernels
