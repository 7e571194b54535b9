// RMSNorm (Zhang & Sennrich 2019), as the Llama family computes it: normalise in float32, cast
// back, then scale.
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

// x [.., D] float32|bfloat16|float64, weight [D] of the same dtype -> [.., D]. Differentiable in
// both.
//   y = cast(x · rsqrt(mean(x²) + eps)) · weight
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace slmtune::kernels
