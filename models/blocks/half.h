// One half of a decoder layer, described once and run by the generic path (LibTorch's autograd) or
// by the fused one (fused_half.h):
//
//   y = x + after(output(mix(inputs(before(x)))))
//
//   attention:  inputs q, k, v (or one qkv)     mix = attention         output o
//   mlp:        inputs gate, up (or one matrix) mix = act(gate) ⊙ up    output down
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/mixer.h"
#include "models/linear.h"

namespace slmtune::models {

struct Norm {
  std::string name;   // inside the layer: "input_layernorm.weight"
  at::Tensor weight;  // [D]; undefined: no norm here
  double eps = 0.0;
  kernels::NormForm form = kernels::NormForm::kLlama;

  at::Tensor forward(const at::Tensor& x) const { return kernels::rms_norm(x, weight, eps, form); }
};
// Its weight a placeholder.
Norm placeholder_norm(std::string name, const ModelConfig& config, at::ScalarType dtype,
                      kernels::NormForm form = kernels::NormForm::kLlama);

struct NamedLinear {
  std::string name;  // inside the layer: "self_attn.q_proj"
  Linear linear;
};

struct Half {
  Norm before;
  std::vector<NamedLinear> inputs;  // one per part of the mixer, or one for all, side by side
  std::unique_ptr<const Mixer> mixer;
  NamedLinear output;
  Norm after = {};  // Gemma 2 only

  // x [T, D] -> [T, D]: by the fused path where it can, which gives the same within rounding.
  at::Tensor forward(const at::Tensor& x, const LayerInput& input) const;
  // By LibTorch's operators and autograd: the reference.
  at::Tensor forward_generic(const at::Tensor& x, const LayerInput& input) const;
  void for_each_linear(const VisitLinear& visit);
  void for_each_norm(const VisitTensor& visit);
};

// `outputs` of the input linears as the parts of the mixer: views where one linear makes all.
Parts parts_of(const std::vector<at::Tensor>& outputs, const Mixer& mixer);

}  // namespace slmtune::models
