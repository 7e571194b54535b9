#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/adamw/adam_loops.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/parallel.h"
#include "train/adamw8bit.h"

namespace slmtune::train {
namespace {

using kernels::kNormPiece;

bool has_own_loops(const at::Tensor& buffer) {
  return buffer.is_cpu() && buffer.scalar_type() == at::kFloat;
}

// In pieces on the CPU, where LibTorch converts a whole tensor to double first.
double library_norm(const at::Tensor& gradients) {
  const int64_t count = gradients.numel(), piece = gradients.is_cpu() ? kNormPiece : count;
  std::vector<at::Tensor> norms;
  for (int64_t first = 0; first < count; first += piece)
    norms.push_back(
        at::linalg_vector_norm(gradients.narrow(0, first, std::min(piece, count - first)), 2,
                               std::nullopt, false, at::kDouble));
  return at::linalg_vector_norm(at::stack(norms), 2).item<double>();
}

double buffer_norm(const at::Tensor& gradients) {
  if (!has_own_loops(gradients)) return library_norm(gradients);
  const float* values = gradients.const_data_ptr<float>();
  const int64_t count = gradients.numel(), pieces = (count + kNormPiece - 1) / kNormPiece;
  std::vector<double> sums(static_cast<size_t>(pieces));
  kernels::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sums[static_cast<size_t>(i)] = kernels::sum_of_squares(
          values + i * kNormPiece, std::min(kNormPiece, count - i * kNormPiece));
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return std::sqrt(total);
}

// Tensors that follow from the B of an adapter, as peft's create_loraplus_optimizer groups them.
bool takes_plus_ratio(const std::string& name) {
  return name.ends_with(".lora_B.weight") || name.ends_with(".lora_magnitude_vector");
}

std::vector<double> rates_of(const NamedParameters& parameters, double plus_ratio) {
  std::vector<double> rates;
  for (const auto& [name, tensor] : parameters)
    rates.push_back(takes_plus_ratio(name) ? plus_ratio : 1.0);
  return rates;
}

}  // namespace

void load_state_tensor(const OptimizerState& state, const std::string& name,
                       const at::Tensor& target) {
  const auto found = state.find(name);
  if (found == state.end())
    throw FileFormatError("F080", "", "the checkpoint has no optimiser tensor '" + name + "'",
                          "it belongs to another model, adapter or version; start a new run");
  if (found->second.sizes() != target.sizes() ||
      found->second.scalar_type() != target.scalar_type())
    throw FileFormatError(
        "F080", "",
        "optimiser tensor '" + name + "' has another shape or type than the model needs",
        "it belongs to another model, adapter or version; start a new run");
  at::Tensor(target).copy_(found->second);
}

Optimizer::Optimizer(const NamedParameters& parameters, const TrainConfig& config,
                     const kernels::CudaAdamW* kernels)
    : flat_(parameters, rates_of(parameters, config.plus_ratio)),
      steps_(parameters.size(), 0),
      facts_{config.beta1, config.beta2, config.epsilon, config.weight_decay} {
  if (kernels == nullptr) kernels = device_kernels(flat_.values());
  if (kernels != nullptr && !parameters.empty())
    device_ = std::make_unique<DeviceStep>(*kernels, flat_.values());
}

double Optimizer::step(double learning_rate, double scale, double clip_norm) {
  start_step(learning_rate, scale, clip_norm);
  return finish_step();
}

double Optimizer::step_at_once(const std::vector<size_t>& slots, double learning_rate, double scale,
                               double clip_norm) {
  const double norm = buffer_norm(flat_.gradients()) * scale;
  if (!std::isfinite(norm)) return norm;
  for (const size_t slot : slots) ++steps_[slot];
  // 1e-6 as in torch's clip_grad_norm_.
  update(slots, learning_rate,
         scale * (clip_norm > 0.0 ? std::min(1.0, clip_norm / (norm + 1e-6)) : 1.0));
  return norm;
}

void Optimizer::start_step(double learning_rate, double scale, double clip_norm,
                           const at::Tensor& loss) {
  SLMTUNE_ASSERT(!started_, "a step is finished before the next one starts");
  const at::NoGradGuard no_gradient;
  started_ = Started{.slots = flat_.take_gradients()};
  const std::vector<size_t>& slots = started_->slots;
  if (device_ == nullptr) {
    if (loss.defined() && !std::isfinite(loss.item<double>()))
      started_->norm = std::nan("");
    else if (!slots.empty())
      started_->norm = step_at_once(slots, learning_rate, scale, clip_norm);
    return;
  }
  if (slots.empty() && !loss.defined()) return;
  started_->is_asked = true;
  device_->judge(flat_.gradients(), loss, scale, clip_norm);
  for (const size_t slot : slots) ++steps_[slot];  // unless the verdict says otherwise
  update_on_device(slots, learning_rate);
  device_->send();
}

double Optimizer::finish_step() {
  SLMTUNE_ASSERT(started_.has_value(), "a step that is finished was started");
  const Started started = std::move(*started_);
  started_.reset();
  if (!started.is_asked) return started.norm;
  const kernels::AdamVerdict verdict = device_->wait();
  if (verdict.applies != 0) return verdict.norm;
  for (const size_t slot : started.slots) --steps_[slot];
  return std::isfinite(verdict.norm) ? std::nan("") : verdict.norm;  // it was the loss
}

std::vector<Optimizer::Range> Optimizer::ranges_of(const std::vector<size_t>& slots,
                                                   double learning_rate) const {
  std::vector<Range> ranges;
  size_t next = 0;  // place behind the last range
  for (const size_t index : slots) {
    const FlatParameters::Slot& slot = flat_.slots()[index];
    const double rate = learning_rate * slot.rate;
    const bool joins = !ranges.empty() && slot.place == next &&
                       ranges.back().step == steps_[index] && ranges.back().learning_rate == rate;
    if (!joins) ranges.push_back({slot.first, 0, steps_[index], rate, index, index});
    ranges.back().count = slot.first + slot.count - ranges.back().first;
    ranges.back().last_slot = index;
    next = slot.place + 1;
  }
  return ranges;
}

kernels::AdamStep Optimizer::numbers_of(const Range& range, double scale) const {
  return kernels::adam_step(facts_, range.learning_rate, range.step, scale);
}

OptimizerState Optimizer::state() const {
  SLMTUNE_ASSERT(!started_, "a step is finished before it is kept");
  OptimizerState state;
  add_moments(state);
  if (!steps_.empty()) state["step"] = at::tensor(steps_, at::kFloat);
  return state;
}

void Optimizer::load_state(const OptimizerState& state) {
  if (steps_.empty()) return;
  const at::NoGradGuard no_gradient;
  const at::Tensor steps = at::empty({static_cast<int64_t>(steps_.size())}, at::kFloat);
  load_state_tensor(state, "step", steps);
  load_moments(state);
  for (size_t i = 0; i < steps_.size(); ++i)
    steps_[i] = static_cast<int64_t>(steps.const_data_ptr<float>()[i]);
}

AdamW::AdamW(const NamedParameters& parameters, const TrainConfig& config,
             const kernels::CudaAdamW* kernels)
    : Optimizer(parameters, config, kernels) {
  if (parameters.empty()) return;
  exp_avg_ = at::zeros_like(flat_.values());
  exp_avg_sq_ = at::zeros_like(flat_.values());
}

void AdamW::update(const std::vector<size_t>& slots, double learning_rate, double scale) {
  for (const Range& range : ranges_of(slots, learning_rate)) {
    const auto part = [&](const at::Tensor& buffer) {
      return buffer.narrow(0, range.first, range.count);
    };
    const at::Tensor values = part(flat_.values()), gradients = part(flat_.gradients());
    const at::Tensor exp_avg = part(exp_avg_), exp_avg_sq = part(exp_avg_sq_);
    if (!has_own_loops(values)) {
      if (scale != 1.0) at::Tensor(gradients).mul_(scale);
      const at::Tensor step =
          at::scalar_tensor(static_cast<double>(range.step), values.options().dtype(at::kFloat));
      at::_fused_adamw_({values}, {gradients}, {exp_avg}, {exp_avg_sq}, /*max_exp_avg_sqs=*/{},
                        {step}, range.learning_rate, facts_.beta1, facts_.beta2,
                        facts_.weight_decay, facts_.epsilon, /*amsgrad=*/false,
                        /*maximize=*/false);
      continue;
    }
    const kernels::AdamStep step = numbers_of(range, scale);
    const float* g = gradients.const_data_ptr<float>();
    float *p = values.mutable_data_ptr<float>(), *m = exp_avg.mutable_data_ptr<float>(),
          *v = exp_avg_sq.mutable_data_ptr<float>();
    kernels::parallel_for(0, range.count, kNormPiece, [&](int64_t begin, int64_t end) {
      kernels::adamw_loop(step, end - begin, g + begin, p + begin, m + begin, v + begin);
    });
  }
}

void AdamW::update_on_device(const std::vector<size_t>& slots, double learning_rate) {
  const auto part = [](const at::Tensor& buffer, int64_t first) {
    return static_cast<std::byte*>(buffer.mutable_data_ptr()) +
           first * static_cast<int64_t>(buffer.element_size());
  };
  for (const Range& range : ranges_of(slots, learning_rate)) {
    const kernels::AdamArrays arrays{.element = device_->element(),
                                     .gradients = part(flat_.gradients(), range.first),
                                     .parameters = part(flat_.values(), range.first),
                                     .exp_avg = part(exp_avg_, range.first),
                                     .exp_avg_sq = part(exp_avg_sq_, range.first),
                                     .count = range.count};
    kernels::check_cuda(
        device_->table().update(numbers_of(range), arrays, device_->verdict(), device_->stream()),
        "adamw_update");
  }
}

void AdamW::add_moments(OptimizerState& state) const {
  for (const FlatParameters::Slot& slot : flat_.slots())
    for (const auto& [suffix, buffer] :
         {std::pair(".exp_avg", &exp_avg_), std::pair(".exp_avg_sq", &exp_avg_sq_)})
      state[slot.name + suffix] =
          buffer->narrow(0, slot.first, slot.count).view(slot.tensor.sizes());
}

void AdamW::load_moments(const OptimizerState& state) {
  OptimizerState own;  // views of the buffers
  add_moments(own);
  for (const auto& [name, tensor] : own) load_state_tensor(state, name, tensor);
}

std::unique_ptr<Optimizer> make_optimizer(const NamedParameters& parameters,
                                          const TrainConfig& config) {
  if (config.optimizer == "adamw8bit") return std::make_unique<AdamW8bit>(parameters, config);
  SLMTUNE_ASSERT(config.optimizer == "adamw", "optimisers are checked when the recipe is read");
  return std::make_unique<AdamW>(parameters, config);
}

}  // namespace slmtune::train
