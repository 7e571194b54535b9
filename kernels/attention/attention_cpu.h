// Attention on the CPU: blocks of queries against all keys they see, matrix products in tiles or by
// BLAS, the softmax by vector loops in float32. Grouped queries read their shared keys in place.
// bfloat16 is multiplied as it is where the machine can, with the softmax's weights and their
// gradients rounded to it, as flash attention does (Dao, 2023); elsewhere it is widened first.
// Contract and arguments as in attention.h, which calls these and has checked the shapes.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/matmul/tiled_product.h"

namespace slmtune::kernels {

// `multiplies_bfloat16`: what the machine can, but in tests.
Attended attention_forward_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const std::vector<int64_t>& starts, const AttentionOptions& options,
                               bool multiplies_bfloat16 = has_tiled_product<BFloat16Bits>());

void attention_backward_cpu(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Attended& attended,
                            const std::vector<int64_t>& starts, const AttentionOptions& options,
                            at::Tensor& dq, at::Tensor& dk, at::Tensor& dv,
                            bool multiplies_bfloat16 = has_tiled_product<BFloat16Bits>());

}  // namespace slmtune::kernels
