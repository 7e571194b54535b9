// Gated feed-forward block (SwiGLU, Shazeer 2020): down(silu(gate(x)) ⊙ up(x)).
#pragma once
#include <ATen/core/Tensor.h>

#include "models/linear.h"

namespace slmtune::models {

struct Mlp {
  Linear gate, up, down;
  at::Tensor forward(const at::Tensor& x) const;  // [T, D] -> [T, D]
};

// silu(gate) ⊙ up; keeps only its two inputs for the gradient, where the plain operators would keep
// three tensors.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

}  // namespace slmtune::models
