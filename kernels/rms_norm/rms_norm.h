// RMSNorm (Zhang & Sennrich 2019) in the forms of the Hugging Face models, with and without
// autograd:
//
//   n = x · rsqrt(mean(x²) + eps) in float32
//   kLlama: y = cast(n) · w              kGemma: y = cast(n · (1 + w))
//
//   Normed normed = add_rms_norm(x, mixed, weight, eps);       // x += mixed; normed.y = norm(x)
//   dx = rms_norm_backward_on(dy, normed_gradient, x, weight, normed.scale);    // dy + …
#pragma once
#include <ATen/core/Tensor.h>

namespace slmtune::kernels {

enum class NormForm { kLlama, kGemma };

// x [.., D] float32|bfloat16|float64, weight [D] of the same dtype -> [.., D]. Differentiable in
// both.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                    NormForm form = NormForm::kLlama);

struct Normed {
  at::Tensor y;      // [T, D]
  at::Tensor scale;  // [T] float32 (float64 for float64): rsqrt(mean(x²) + eps)
};

// The parts of a hand-written backward pass; nothing below is recorded by autograd. x [T, D]
// contiguous, weight [D] of x's dtype.
Normed rms_norm_forward(const at::Tensor& x, const at::Tensor& weight, double eps,
                        NormForm form = NormForm::kLlama);

// x += addend [T, D] in place (rounded to x's dtype), then the norm of the sum, in one pass.
Normed add_rms_norm(at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight, double eps,
                    NormForm form = NormForm::kLlama);

// base + scale · (g − n · mean(g · n)) [T, D], g = grad_y · w (or · (1 + w)), n = x · scale. base
// and grad_y of x's dtype, contiguous.
at::Tensor rms_norm_backward_on(const at::Tensor& base, const at::Tensor& grad_y,
                                const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& scale, NormForm form = NormForm::kLlama);

// The same without a base.
at::Tensor rms_norm_backward(const at::Tensor& grad_y, const at::Tensor& x,
                             const at::Tensor& weight, const at::Tensor& scale,
                             NormForm form = NormForm::kLlama);

}  // namespace slmtune::kernels
