#include "models/blocks/mlp.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "models/blocks/placeholder.h"

namespace slmtune::models {
namespace {

// Keeps only its two inputs for the gradient, where the plain operators would keep three tensors.
struct GatedActivation : torch::autograd::Function<GatedActivation> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up, int64_t activation) {
    context->save_for_backward({gate, up});
    context->saved_data["activation"] = activation;
    return kernels::gated_activation(gate, up, static_cast<kernels::Activation>(activation));
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    at::Tensor hidden = gradients[0].clone(at::MemoryFormat::Contiguous);
    at::Tensor gate = saved[0].clone(at::MemoryFormat::Contiguous);
    at::Tensor up = saved[1].clone(at::MemoryFormat::Contiguous);
    kernels::gated_activation_backward(
        hidden, gate, up,
        static_cast<kernels::Activation>(context->saved_data["activation"].toInt()));
    return {gate, up, at::Tensor()};
  }
};

}  // namespace

at::Tensor GatedMixer::forward(const Parts& parts, const LayerInput&) const {
  return GatedActivation::apply(parts[0], parts[1], static_cast<int64_t>(activation_));
}

Mixer::Mixed GatedMixer::mix(const Parts& parts, const PackedRows&) const {
  return {kernels::gated_activation(parts[0], parts[1], activation_), {}};
}

at::Tensor GatedMixer::backward(at::Tensor gradient, const Parts&, const std::vector<at::Tensor>&,
                                const PackedRows&, Parts& gradients) const {
  kernels::gated_activation_backward(gradient, gradients[0], gradients[1], activation_);
  return gradient;
}

Half mlp_half(const ModelConfig& config, at::ScalarType dtype) {
  const int64_t width = config.hidden_size, inner = config.intermediate_size;
  Half half;
  half.before = placeholder_norm("post_attention_layernorm.weight", config, dtype);
  for (const char* name : {"mlp.gate_proj", "mlp.up_proj"})
    half.inputs.push_back({name, placeholder_linear(width, inner, config.mlp_bias, dtype)});
  half.mixer = std::make_unique<GatedMixer>(inner);
  half.output = {"mlp.down_proj", placeholder_linear(inner, width, config.mlp_bias, dtype)};
  return half;
}

}  // namespace slmtune::models
