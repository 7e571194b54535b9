// Causal attention over packed rows: every row of the micro-batch sees itself only.
//
//        k: r0 r0 r0 r1 r1
//   q r0    x                    starts = {0, 3, 5}
//     r0    x  x
//     r0    x  x  x
//     r1             x
//     r1             x  x
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace slmtune::models {

// q [T, H, hd], k and v [T, K, hd] (H a multiple of K: consecutive query heads share a key head) ->
// [T, H, hd]. Scores are scaled by hd^-½; softmax in float32 or better. Differentiable; the same
// bits on every run on the CPU.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts);

}  // namespace slmtune::models
