// Causal attention over packed rows (kernels/attention/attention.h) under autograd, on any device.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/attention/attention.h"

namespace slmtune::models {

using kernels::AttentionOptions;

// q [T, H, hd], k and v [T, K, hd] (H a multiple of K: consecutive query heads share a key head) ->
// [T, H, hd]. Softmax in float32 or better. Differentiable; the same bits on every run on the CPU.
// On other devices rows without a soft-cap and no longer than the window run through LibTorch's
// fused kernel, others through exact_attention.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options);

}  // namespace slmtune::models
