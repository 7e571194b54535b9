#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace slmtune::train {
namespace {

// Over all tensors in their fixed order, so that equal gradients give an equal norm bit for bit.
double total_norm(const std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> norms;
  norms.reserve(gradients.size());
  for (const at::Tensor& gradient : gradients)
    norms.push_back(at::linalg_vector_norm(gradient, 2, std::nullopt, false, at::kDouble));
  return at::linalg_vector_norm(at::stack(norms), 2).item<double>();
}

void load_tensor(const std::map<std::string, at::Tensor>& state, const std::string& name,
                 at::Tensor& target) {
  auto found = state.find(name);
  if (found == state.end())
    throw FileFormatError("F080", "", "the checkpoint has no optimiser tensor '" + name + "'",
                          "it belongs to another model, adapter or version; start a new run");
  if (found->second.sizes() != target.sizes() ||
      found->second.scalar_type() != target.scalar_type())
    throw FileFormatError(
        "F080", "",
        "optimiser tensor '" + name + "' has another shape or type than the model needs",
        "it belongs to another model, adapter or version; start a new run");
  target.copy_(found->second);
}

}  // namespace

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const TrainConfig& config)
    : beta1_(config.beta1),
      beta2_(config.beta2),
      epsilon_(config.epsilon),
      weight_decay_(config.weight_decay) {
  for (auto& [name, tensor] : parameters) {
    names_.push_back(name);
    exp_avg_.push_back(at::zeros_like(tensor.detach()));
    exp_avg_sq_.push_back(at::zeros_like(tensor.detach()));
    steps_.push_back(at::zeros({}, tensor.options().dtype(at::kFloat).requires_grad(false)));
    parameters_.push_back(tensor);
  }
}

void AdamW::zero_grad() {
  for (at::Tensor& parameter : parameters_) parameter.mutable_grad() = at::Tensor();
}

double AdamW::step(double learning_rate, double scale, double clip_norm) {
  at::NoGradGuard no_gradient;
  std::vector<at::Tensor> parameters, gradients, exp_avg, exp_avg_sq, steps;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].grad().defined()) continue;
    parameters.push_back(parameters_[i]);
    gradients.push_back(parameters_[i].grad());
    exp_avg.push_back(exp_avg_[i]);
    exp_avg_sq.push_back(exp_avg_sq_[i]);
    steps.push_back(steps_[i]);
  }
  if (parameters.empty()) return 0.0;
  double norm = total_norm(gradients) * scale;
  if (!std::isfinite(norm)) return norm;
  // 1e-6 as in torch's clip_grad_norm_.
  double factor = scale * (clip_norm > 0.0 ? std::min(1.0, clip_norm / (norm + 1e-6)) : 1.0);
  if (factor != 1.0) at::_foreach_mul_(gradients, factor);
  at::_foreach_add_(steps, 1);
  at::_fused_adamw_(parameters, gradients, exp_avg, exp_avg_sq, /*max_exp_avg_sqs=*/{}, steps,
                    learning_rate, beta1_, beta2_, weight_decay_, epsilon_, /*amsgrad=*/false,
                    /*maximize=*/false);
  return norm;
}

std::map<std::string, at::Tensor> AdamW::state() const {
  std::map<std::string, at::Tensor> state;
  for (size_t i = 0; i < names_.size(); ++i) {
    state[names_[i] + ".exp_avg"] = exp_avg_[i];
    state[names_[i] + ".exp_avg_sq"] = exp_avg_sq_[i];
  }
  if (!steps_.empty()) state["step"] = at::stack(steps_);
  return state;
}

void AdamW::load_state(const std::map<std::string, at::Tensor>& state) {
  if (steps_.empty()) return;
  at::NoGradGuard no_gradient;
  at::Tensor steps = at::stack(steps_);
  load_tensor(state, "step", steps);
  for (size_t i = 0; i < names_.size(); ++i) {
    load_tensor(state, names_[i] + ".exp_avg", exp_avg_[i]);
    load_tensor(state, names_[i] + ".exp_avg_sq", exp_avg_sq_[i]);
    steps_[i].copy_(steps[static_cast<int64_t>(i)]);
  }
}

}  // namespace slmtune::train
