// Rotary position embedding (Su et al. 2021), "rotate half" form: the first 2·R channels of a head
// are two halves a, b that turn by the angle of the token,
//
//   [a, b] -> [a·cos − b·sin, b·cos + a·sin]
//
// Backward is the same turn the other way round. No autograd here.
//
//   rotate_both_in_place(q, k, cos, sin, Turn::kForward);
//   rotate_both_in_place(dq, dk, cos, sin, Turn::kBack);
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

enum class Turn { kForward, kBack };

// x [T, H, hd], channels side by side, heads and tokens at any stride (so q and k may be views of
// one qkv matrix). cos, sin [T, R] contiguous, of x's dtype, 2·R <= hd: channels behind them pass.
// float32 and bfloat16 on the CPU and on a GPU run in one pass, computed in float32 and rounded
// once; other dtypes through LibTorch's operators.
void rotate_in_place(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn);

// Queries and keys of the same tokens, on a GPU by one kernel.
void rotate_both_in_place(at::Tensor& queries, at::Tensor& keys, const at::Tensor& cos,
                          const at::Tensor& sin, Turn turn);

// The same with x left alone -> [T, H, hd], contiguous.
at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn);

}  // namespace slmtune::kernels
