// Gated activations of a feed-forward block (Shazeer 2020, "GLU variants improve transformer"):
//
//   h = act(g) · u        silu(g) = g·σ(g)        gelu_tanh(g) = g·σ(2·√(2/π)·(g + 0.044715·g³))
//
// No autograd here: the callers' Functions write the backward pass.
//
//   at::Tensor h = gated_activation(gate, up, Activation::kSilu);          // forward
//   gated_activation_backward(dh, gate, up, Activation::kSilu);            // dh is h, gate is
//   dgate,
//                                                                          // up is dup from here
//                                                                          on
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

enum class Activation { kSilu, kGeluTanh };

// gate, up [T, F] of one dtype -> h [T, F], contiguous. Rows may have any stride (the two halves of
// one gate-and-up matrix). float32 and bfloat16 on the CPU and on a GPU run in one pass, computed
// in float32 and rounded once; other dtypes through LibTorch's operators. NaN stays NaN.
at::Tensor gated_activation(const at::Tensor& gate, const at::Tensor& up, Activation activation);

// The same into `out` [T, F], which may have strided rows and may be `gate` or `up` itself.
void gated_activation_into(at::Tensor& out, const at::Tensor& gate, const at::Tensor& up,
                           Activation activation);

// In one pass and in place, for the gradient dh of h [T, F]:
//   grad_h <- h = act(g)·u (what the weight gradient of the next matrix needs)
//   gate   <- d loss/d gate = dh·u·act'(g)
//   up     <- d loss/d up   = dh·act(g)
// Shapes, strides and dtypes as above; act'(g) of silu = σ + g·σ·(1 − σ), of gelu_tanh with the
// inner derivative 2·√(2/π)·(1 + 3·0.044715·g²) at the second term. The three must not overlap.
void gated_activation_backward(at::Tensor& grad_h, at::Tensor& gate, at::Tensor& up,
                               Activation activation);

}  // namespace slmtune::kernels
