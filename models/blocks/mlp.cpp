#include "models/blocks/mlp.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace slmtune::models {
namespace {

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    return {at::silu_backward(gradients[0] * up, gate), at::silu(gate).mul_(gradients[0])};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return SwiGlu::apply(gate, up);
}

Mlp::Mlp(const ModelConfig& config, at::ScalarType dtype, Activation with)
    : gate(
          placeholder_linear(config.hidden_size, config.intermediate_size, config.mlp_bias, dtype)),
      up(placeholder_linear(config.hidden_size, config.intermediate_size, config.mlp_bias, dtype)),
      down(
          placeholder_linear(config.intermediate_size, config.hidden_size, config.mlp_bias, dtype)),
      activation(with) {}

at::Tensor Mlp::forward(const at::Tensor& x) const {
  return down.forward(activation(gate.forward(x), up.forward(x)));
}

void Mlp::for_each_linear(const VisitLinear& visit) {
  visit("mlp.gate_proj", gate);
  visit("mlp.up_proj", up);
  visit("mlp.down_proj", down);
}

}  // namespace slmtune::models
