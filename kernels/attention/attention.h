// Causal attention over packed rows, forward and backward by hand: every row of the micro-batch
// sees itself only. The device and the numbers decide who computes it (attention_path.h): our loops
// on the CPU, LibTorch's fused kernels or our own on a GPU.
//
//        k: r0 r0 r0 r1 r1                      k: r0 r0 r0 r0   window = 2
//   q r0    x                    starts =       q  x
//     r0    x  x                 {0, 3, 5}         x  x
//     r0    x  x  x                                   x  x
//     r1             x                                   x  x
//     r1             x  x
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/attention/row_starts.h"

namespace slmtune::kernels {

struct AttentionOptions {
  double scale = 1.0;     // scores are multiplied by it
  double soft_cap = 0.0;  // then s = c·tanh(s / c); 0 = none
  int64_t window = 0;     // a token sees this many, itself counted; 0 = all before it
};

struct Attended {
  at::Tensor out;  // [T, H, hd], contiguous
  // log Σ e^s of every query, float32 (float64 for float64): [H, T] on the CPU and of our kernels,
  // LibTorch's own shape of its kernels, undefined where the backward pass does without.
  at::Tensor log_sum;
  std::vector<at::Tensor> extra = {};  // what the backward pass of LibTorch's kernels asks for
};

// q [T, H, hd], k and v [T, K, hd] (H a multiple of K: consecutive query heads share a key head),
// float32, bfloat16 or float64, tokens and heads at any stride (so they may be views of one qkv
// matrix). Sums and softmax are float32 for float32 and bfloat16. On the CPU results do not depend
// on the number of threads. A NaN in a key or value reaches the queries that see it, and no other
// row. On a GPU `rows` had better bring its offsets, or each call makes them.
Attended attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const RowStarts& rows, const AttentionOptions& options);

// For the gradient of `out` [T, H, hd]: writes dq [T, H, hd], dk and dv [T, K, hd], tokens and
// heads at any stride; those that are undefined are made, contiguous. With P = softmax and
// dP = dO·Vᵀ: dV = Pᵀ·dO, dS = P ⊙ (dP − Σ dO ⊙ O) · (1 − tanh²) · scale, dQ = dS·K, dK = dSᵀ·Q
// (Dao et al. 2022, FlashAttention, appendix B). The same bits in every run, but for LibTorch's
// flash kernel (unless at::globalContext() asks it for that).
void attention_backward(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, const Attended& attended, const RowStarts& rows,
                        const AttentionOptions& options, at::Tensor& dq, at::Tensor& dk,
                        at::Tensor& dv);

}  // namespace slmtune::kernels
