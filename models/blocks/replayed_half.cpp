#include "models/blocks/replayed_half.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "core/error.h"

namespace slmtune::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::vector<at::Tensor> trained_tensors(const Half& half) {
  std::vector<at::Tensor> tensors;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined() && tensor.requires_grad()) tensors.push_back(tensor);
  };
  const auto add_linear = [&](const Linear& linear) {
    if (const at::Tensor* weight = linear.weight->trainable()) add(*weight);
    add(linear.bias);
    if (!linear.adapter || !linear.use_adapter) return;
    for (const auto& [name, tensor] : linear.adapter->parameters()) add(*tensor);
  };
  add(half.before.weight);
  for (const NamedLinear& each : half.inputs) add_linear(each.linear);
  add_linear(half.output.linear);
  add(half.after.weight);
  return tensors;
}

// The generator that dropout draws from; `state` is put in for as long as this lives.
class ReplayedRandom {
 public:
  ReplayedRandom(at::Device device, const at::Tensor& state)
      : generator_(at::globalContext().defaultGenerator(device)), before_(generator_.get_state()) {
    generator_.set_state(state);
  }
  ~ReplayedRandom() { generator_.set_state(before_); }
  ReplayedRandom(const ReplayedRandom&) = delete;
  ReplayedRandom& operator=(const ReplayedRandom&) = delete;

 private:
  at::Generator generator_;
  at::Tensor before_;
};

// Whether each linear's adapter is on and training, in order.
std::vector<bool> adapter_states(const Half& half) {
  std::vector<bool> states;
  const auto add = [&](const Linear& linear) {
    states.push_back(linear.use_adapter);
    states.push_back(linear.adapter && linear.adapter->training);
  };
  for (const NamedLinear& each : half.inputs) add(each.linear);
  add(half.output.linear);
  return states;
}

struct Replay final : torch::CustomClassHolder {
  Replay(const Half& a_half, const at::Tensor& a_x, const LayerInput& input)
      : half(a_half),
        x(a_x.detach()),
        rotation(input.rotation),
        layout(input.layout),
        layer(input.layer),
        states(adapter_states(a_half)),
        random(at::globalContext().defaultGenerator(a_x.device()).get_state()) {}

  at::Tensor run(const at::Tensor& from) const {
    return half.forward_generic(from, {rotation, layout, nullptr, layer, false, false});
  }

  const Half& half;
  at::Tensor x;
  Rotation rotation;
  Layout layout;
  size_t layer;
  std::vector<bool> states;
  at::Tensor random;  // the generator's state before the forward pass
};

struct ReplayedHalf : torch::autograd::Function<ReplayedHalf> {
  // `trained` is named so that a node is made even where x needs no gradient.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList trained,
                            const c10::intrusive_ptr<Replay>& replay) {
    context->saved_data["replay"] = c10::IValue::make_capsule(replay);
    context->saved_data["trained"] = static_cast<int64_t>(trained.size());
    return replay->run(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto holder = context->saved_data["replay"].toCapsule();
    const auto& replay = static_cast<const Replay&>(*holder);
    SLMTUNE_ASSERT(adapter_states(replay.half) == replay.states,
                   "adapters were switched between the forward and the backward pass");
    const at::AutoGradMode recording(true);
    const at::Tensor x = replay.x.detach().set_requires_grad(context->needs_input_grad(0));
    const ReplayedRandom random(x.device(), replay.random);
    torch::autograd::backward({replay.run(x)}, {gradients[0]});
    variable_list result(static_cast<size_t>(context->saved_data["trained"].toInt()) + 2);
    result[0] = x.grad();
    return result;
  }
};

}  // namespace

bool can_replay(const Half& half, const at::Tensor& x, const LayerInput& input) {
  if (!input.recompute || input.cache != nullptr || !at::GradMode::is_enabled()) return false;
  return x.requires_grad() || !trained_tensors(half).empty();
}

at::Tensor replayed_forward(const Half& half, const at::Tensor& x, const LayerInput& input) {
  const std::vector<at::Tensor> trained = trained_tensors(half);
  return ReplayedHalf::apply(x, at::TensorList(trained),
                             c10::make_intrusive<Replay>(half, x, input));
}

}  // namespace slmtune::models
