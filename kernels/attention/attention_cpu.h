// Attention on the CPU: blocks of queries against all keys they see, matrix products by BLAS, the
// softmax by vector loops. Grouped queries read their shared keys in place. Contract and arguments
// as in attention.h, which calls these and has checked the shapes.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/attention/attention.h"

namespace slmtune::kernels {

Attended attention_forward_cpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               const std::vector<int64_t>& starts, const AttentionOptions& options);

void attention_backward_cpu(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const Attended& attended,
                            const std::vector<int64_t>& starts, const AttentionOptions& options,
                            at::Tensor& dq, at::Tensor& dk, at::Tensor& dv);

}  // namespace slmtune::kernels
