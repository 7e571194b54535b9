#include "models/blocks/replayed_half.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "core/error.h"

namespace slmtune::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Halves = std::vector<const Half*>;

void add_trained(const Half& half, std::vector<at::Tensor>& tensors) {
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
}

std::vector<at::Tensor> trained_tensors(const Halves& halves) {
  std::vector<at::Tensor> tensors;
  for (const Half* half : halves) add_trained(*half, tensors);
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

void visit_linears(const Halves& halves, const std::function<void(const Linear&)>& visit) {
  for (const Half* half : halves) {
    for (const NamedLinear& each : half->inputs) visit(each.linear);
    visit(half->output.linear);
  }
}

// Whether each linear's adapter is on and training, in order.
std::vector<bool> adapter_states(const Halves& halves) {
  std::vector<bool> states;
  visit_linears(halves, [&](const Linear& linear) {
    states.push_back(linear.use_adapter);
    states.push_back(linear.adapter && linear.adapter->training);
  });
  return states;
}

// Plain low-rank adapters draw no random numbers.
bool draws_random(const Halves& halves) {
  bool draws = false;
  visit_linears(halves, [&](const Linear& linear) {
    draws = draws || (linear.adapter && linear.use_adapter && !linear.adapter->low_rank());
  });
  return draws;
}

// Calls body(first token, tokens) for each piece that goes through the MLP by itself.
template <typename Body>
void over_tiles(int64_t tokens, int64_t tile, const Body& body) {
  const int64_t step = tile > 0 ? tile : std::max<int64_t>(tokens, 1);
  for (int64_t first = 0; first < tokens; first += step)
    body(first, std::min(step, tokens - first));
}

// A half that looks at one token at a time; of its record nothing stays.
at::Tensor forward_in_tiles(const Half& half, const at::Tensor& x, const LayerInput& input) {
  const int64_t tokens = x.size(0), tile = input.form.mlp_tile;
  if (tile <= 0 || tokens <= tile) return half.forward(x, input);
  const at::Tensor y = at::empty_like(x, at::TensorOptions().requires_grad(false));
  over_tiles(tokens, tile, [&](int64_t first, int64_t count) {
    const at::Tensor piece =
        x.detach().narrow(0, first, count).set_requires_grad(x.requires_grad());
    y.narrow(0, first, count).copy_(half.forward(piece, input).detach());
  });
  return y;
}

// The gradient of x; parameters get theirs added. Each piece goes forward and back before the next.
at::Tensor backward_in_tiles(const Half& half, const at::Tensor& x, const at::Tensor& grad_y,
                             const LayerInput& input) {
  std::vector<at::Tensor> gradients;
  over_tiles(x.size(0), input.form.mlp_tile, [&](int64_t first, int64_t count) {
    const at::Tensor piece = x.detach().narrow(0, first, count).set_requires_grad(true);
    torch::autograd::backward({half.forward(piece, input)}, {grad_y.narrow(0, first, count)});
    gradients.push_back(piece.grad());
  });
  return gradients.size() == 1 ? gradients.front() : at::cat(gradients);
}

struct Replay final : torch::CustomClassHolder {
  Replay(Halves some_halves, const at::Tensor& a_x, const LayerInput& input, bool fuse)
      : halves(std::move(some_halves)),
        x(a_x.detach()),
        rotation(input.rotation),
        layout(input.layout),
        layer(input.layer),
        fused(fuse),
        form(input.form),
        states(adapter_states(halves)) {
    if (form.inputs) {
      form.inputs->push(x);
      place = form.inputs->size();
      x.reset();
    }
    if (draws_random(halves))
      random = at::globalContext().defaultGenerator(a_x.device()).get_state();
  }

  LayerInput input() const { return {rotation, layout, nullptr, layer, fused, false, form}; }

  at::Tensor run(const at::Tensor& from) const {
    const at::Tensor middle = halves.front()->forward(from, input());
    return halves.size() == 1 ? middle : forward_in_tiles(*halves.back(), middle, input());
  }

  // The x that was kept; once.
  at::Tensor take_input() {
    SLMTUNE_ASSERT(x.defined() || form.inputs, "the backward pass of a layer runs once");
    if (!form.inputs) return std::exchange(x, at::Tensor());
    SLMTUNE_ASSERT(form.inputs->size() == place, "layers go back in the opposite order");
    return form.inputs->pop();
  }

  Halves halves;
  at::Tensor x;
  Rotation rotation;
  Layout layout;
  size_t layer;
  bool fused;  // the fused path may be taken
  LayerForm form;
  size_t place = 0;  // in form.inputs
  std::vector<bool> states;
  at::Tensor random;  // the generator's state before the forward pass, where it is drawn from
};

struct Replayed : torch::autograd::Function<Replayed> {
  // `trained` is named so that a node is made even where x needs no gradient.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, at::TensorList trained,
                            const c10::intrusive_ptr<Replay>& replay) {
    context->saved_data["replay"] = c10::IValue::make_capsule(replay);
    context->saved_data["trained"] = static_cast<int64_t>(trained.size());
    if (!replay->fused) return replay->run(x);
    // The fused path is taken only where something is recorded, and has its own rounding: it is
    // recorded here as it will be in the backward pass, and the record dropped at once.
    const at::AutoGradMode recording(true);
    return replay->run(x.detach().set_requires_grad(x.requires_grad())).detach();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto holder = context->saved_data["replay"].toCapsule();
    auto& replay = static_cast<Replay&>(*holder);
    SLMTUNE_ASSERT(adapter_states(replay.halves) == replay.states,
                   "adapters were switched between the forward and the backward pass");
    const at::AutoGradMode recording(true);
    const kernels::WrittenWeights::Kept until_the_end(replay.form.written);
    const at::Tensor x =
        replay.take_input().detach().set_requires_grad(context->needs_input_grad(0));
    std::optional<ReplayedRandom> random;
    if (replay.random.defined()) random.emplace(x.device(), replay.random);
    const at::Tensor first = replay.halves.front()->forward(x, replay.input());
    const at::Tensor gradient =
        replay.halves.size() == 1
            ? gradients[0]
            : backward_in_tiles(*replay.halves.back(), first, gradients[0], replay.input());
    if (first.requires_grad()) torch::autograd::backward({first}, {gradient});
    variable_list result(static_cast<size_t>(context->saved_data["trained"].toInt()) + 2);
    result[0] = x.grad();
    return result;
  }
};

bool records(const Halves& halves, const at::Tensor& x, const LayerInput& input) {
  if (input.cache != nullptr || !at::GradMode::is_enabled()) return false;
  return x.requires_grad() || !trained_tensors(halves).empty();
}

at::Tensor replayed(Halves halves, const at::Tensor& x, const LayerInput& input, bool fused) {
  const std::vector<at::Tensor> trained = trained_tensors(halves);
  return Replayed::apply(x, at::TensorList(trained),
                         c10::make_intrusive<Replay>(std::move(halves), x, input, fused));
}

}  // namespace

bool can_replay(const Half& half, const at::Tensor& x, const LayerInput& input) {
  return input.recompute && records({&half}, x, input);
}

at::Tensor replayed_forward(const Half& half, const at::Tensor& x, const LayerInput& input) {
  return replayed({&half}, x, input, false);
}

at::Tensor layer_forward(const Half& attention, const Half& mlp, const at::Tensor& x,
                         const LayerInput& input, bool keep_input_alone) {
  if (keep_input_alone && records({&attention, &mlp}, x, input))
    return replayed({&attention, &mlp}, x, input, input.fused);
  return mlp.forward(attention.forward(x, input), input);
}

}  // namespace slmtune::models
