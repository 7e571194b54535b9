// Cross-entropy of rows of logits, with the logits' own buffer reused for their gradient, so that a
// chunked loss needs one buffer only:
//
//   at::mm_out(logits, hidden_rows, head.t());
//   losses += cross_entropy_in_place(logits, targets, soft_cap).sum();   // logits are dlogits now
//   at::mm_out(hidden_gradient, logits, head);
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace slmtune::kernels {

// As a target: the row carries no loss. Its loss and its gradient are 0.
inline constexpr int64_t kNoTarget = -100;

// logits [N, V] contiguous, targets [N] int64 in 0 … V−1 or kNoTarget -> −log softmax(z)[target]
// per row [N], float32 (float64 for float64 logits). z = logits, or soft_cap·tanh(logits /
// soft_cap) where soft_cap > 0 (Gemma 2). Statistics are float32 whatever the logits are: one pass
// for maximum and sum. A row with NaN or +inf gives NaN.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double soft_cap);

// The same, and the logits become their gradient d loss/d logits = softmax(z) − onehot(target),
// times 1 − tanh²(logits / soft_cap) with a soft-cap; rounded to their dtype. float32 and bfloat16
// run in two passes over the row; float64 through LibTorch's operators. On a GPU nothing is waited
// for, so a target that is no id is an error on the CPU and makes the loss NaN there.
at::Tensor cross_entropy_in_place(at::Tensor& logits, const at::Tensor& targets, double soft_cap);

}  // namespace slmtune::kernels
