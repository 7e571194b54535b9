// Which tensors the CUDA kernels take, and how they are named to them (cuda_types.h).
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// float32 and bfloat16 on a GPU.
inline bool has_cuda_kernels(const at::Tensor& x) {
  return x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

inline CudaElement cuda_element(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? CudaElement::kBF16 : CudaElement::kF32;
}

// x [rows, columns].
inline CudaRows cuda_rows(const at::Tensor& x) {
  return {x.size(0), x.size(1), cuda_element(x), x.device().index()};
}

}  // namespace slmtune::kernels
