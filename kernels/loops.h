// Which tensors the hand-written loops of the kernels take; for all others the same is composed of
// LibTorch's operations.
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

inline bool has_loops(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

}  // namespace slmtune::kernels
