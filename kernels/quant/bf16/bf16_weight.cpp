#include "kernels/quant/bf16/bf16_weight.h"

#include <ATen/ATen.h>

namespace slmtune::kernels {

// A copy even of bfloat16: `dense` may lie in a file that is let go of.
Bf16Weight::Bf16Weight(const at::Tensor& dense)
    : QuantisedWeight(dense.size(0), dense.size(1)),
      values_(dense.detach().to(at::kBFloat16, /*non_blocking=*/false, /*copy=*/true).contiguous()) {}

}  // namespace slmtune::kernels
