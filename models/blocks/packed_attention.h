// Causal attention over packed rows: every row of the micro-batch sees itself only.
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

namespace slmtune::models {

struct AttentionOptions {
  double scale = 1.0;     // scores are multiplied by it
  double soft_cap = 0.0;  // then s = c·tanh(s / c); 0 = none
  int64_t window = 0;     // a token sees this many, itself counted; 0 = all before it
};

// q [T, H, hd], k and v [T, K, hd] (H a multiple of K: consecutive query heads share a key head) ->
// [T, H, hd]. Softmax in float32 or better. Differentiable; the same bits on every run on the CPU.
// Rows without a soft-cap and no longer than the window run through LibTorch's fused kernel, others
// through exact_attention.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options);

}  // namespace slmtune::models
