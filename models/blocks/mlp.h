// Gated feed-forward block (Shazeer 2020): down(activation(gate(x)) ⊙ up(x)); SwiGLU unless a
// family says otherwise.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/blocks/placeholder.h"
#include "models/causal_lm.h"

namespace slmtune::models {

// silu(gate) ⊙ up; keeps only its two inputs for the gradient, where the plain operators would keep
// three tensors.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

struct Mlp {
  using Activation = at::Tensor (*)(const at::Tensor& gate, const at::Tensor& up);

  Mlp(const ModelConfig& config, at::ScalarType dtype, Activation with = swiglu);
  at::Tensor forward(const at::Tensor& x) const;  // [T, D] -> [T, D]
  void for_each_linear(const VisitLinear& visit);

  Linear gate, up, down;
  Activation activation;
};

}  // namespace slmtune::models
