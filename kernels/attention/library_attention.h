// LibTorch's fused attention over packed rows, for bfloat16 (flash) and float32 (efficient):
// causal, grouped queries, windows, no soft-cap. Forward and backward without autograd, on CUDA
// tensors only.
#pragma once
#include <ATen/core/Tensor.h>

#include "kernels/attention/attention.h"

namespace slmtune::kernels {

// q [T, H, hd], k and v [T, K, hd]; `rows` with offsets on their device. The results' `extra` holds
// what the backward pass of the same kind asks for.
Attended flash_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const RowStarts& rows, const AttentionOptions& options);
Attended efficient_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const RowStarts& rows, const AttentionOptions& options);

struct AttentionGradients {
  at::Tensor q, k, v;  // shaped as q, k and v, channels side by side
};
AttentionGradients flash_backward(const at::Tensor& grad_out, const at::Tensor& q,
                                  const at::Tensor& k, const at::Tensor& v,
                                  const Attended& attended, const RowStarts& rows,
                                  const AttentionOptions& options);
AttentionGradients efficient_backward(const at::Tensor& grad_out, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const Attended& attended, const RowStarts& rows,
                                      const AttentionOptions& options);

// How these operators are told what a query sees. Public for tests.
struct FlashWindow {
  std::optional<int64_t> left, right;  // tokens seen before and behind the query's own
};
FlashWindow flash_window(const AttentionOptions& options, const RowStarts& rows);
// The longest row as flash attention is told: never 1, for which it regroups queries and gives its
// log-sums another shape.
int64_t flash_longest(const RowStarts& rows);

}  // namespace slmtune::kernels
