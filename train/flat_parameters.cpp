#include "train/flat_parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace slmtune::train {
namespace {

constexpr int64_t kLineValues = 16;  // a cache line of float32

int64_t lines(int64_t count) {
  return (count + kLineValues - 1) / kLineValues * kLineValues;
}

at::Tensor view_of(const at::Tensor& buffer, const FlatParameters::Slot& slot) {
  // Not narrow(): a view made so would share its version counter with all others.
  return at::empty({0}, buffer.options())
      .set_(buffer.storage(), slot.first, slot.tensor.sizes(), {});
}

}  // namespace

FlatParameters::FlatParameters(const NamedParameters& parameters,
                               const std::vector<double>& rates) {
  const at::NoGradGuard no_gradient;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, tensor] = parameters[i];
    slots_.push_back({.name = name, .tensor = tensor, .rate = rates[i], .count = tensor.numel()});
    const at::Tensor& first = slots_.front().tensor;
    SLMTUNE_ASSERT(tensor.scalar_type() == first.scalar_type() && tensor.device() == first.device(),
                   "tensors of several types or devices train together");
  }
  by_place_.resize(slots_.size());
  std::iota(by_place_.begin(), by_place_.end(), size_t{0});
  std::ranges::stable_sort(by_place_, {}, [this](size_t index) { return slots_[index].rate; });
  int64_t total = 0;
  for (size_t place = 0; place < by_place_.size(); ++place) {
    Slot& slot = slots_[by_place_[place]];
    slot.place = place;
    slot.first = total;
    total += lines(slot.count);
  }
  if (slots_.empty()) return;
  const auto options = slots_.front().tensor.options().requires_grad(false);
  values_ = at::zeros({total}, options);
  gradients_ = at::zeros({total}, options);
  for (Slot& slot : slots_) {
    const at::Tensor place = view_of(values_, slot);
    place.copy_(slot.tensor);
    slot.tensor.set_data(place);  // lets go of the tensor's own memory
    slot.gradient = view_of(gradients_, slot);
    point_gradient(slot);
  }
}

FlatParameters::~FlatParameters() {
  for (Slot& slot : slots_) slot.tensor.mutable_grad() = at::Tensor();
}

void FlatParameters::point_gradient(Slot& slot) {
  if (!slot.tensor.grad().is_same(slot.gradient)) slot.tensor.mutable_grad() = slot.gradient;
  slot.version = slot.gradient._version();
}

std::vector<size_t> FlatParameters::take_gradients() {
  const at::NoGradGuard no_gradient;
  std::vector<size_t> taken;
  for (const size_t index : by_place_) {
    Slot& slot = slots_[index];
    const at::Tensor& found = slot.tensor.grad();
    if (!found.defined()) continue;
    const bool is_view = found.is_same(slot.gradient);
    if (!is_view) slot.gradient.copy_(found);
    if (!is_view || slot.gradient._version() != slot.version) taken.push_back(index);
  }
  return taken;
}

void FlatParameters::sum_gradients(collective::Collective& ranks) {
  if (!ranks.several() || slots_.empty()) return;
  const at::NoGradGuard no_gradient;
  std::vector<double> ranks_with_one(slots_.size(), 0.0);
  for (const size_t index : take_gradients()) ranks_with_one[index] = 1.0;
  ranks.sum(ranks_with_one);
  if (gradients_.scalar_type() == at::kFloat) {
    ranks.sum(gradients_.mutable_data_ptr<float>(), gradients_.numel());
  } else if (gradients_.scalar_type() == at::kDouble && gradients_.is_cpu()) {
    ranks.sum({gradients_.mutable_data_ptr<double>(), static_cast<size_t>(gradients_.numel())});
  } else {
    const at::Tensor wide = gradients_.to(at::kFloat);
    ranks.sum(wide.mutable_data_ptr<float>(), wide.numel());
    gradients_.copy_(wide);
  }
  for (Slot& slot : slots_) {
    if (ranks_with_one[static_cast<size_t>(&slot - slots_.data())] == 0.0) continue;
    slot.tensor.mutable_grad() = slot.gradient;
    slot.version = -1;  // of no gradient: take_gradients() takes it
  }
}

void FlatParameters::zero_gradients() {
  if (slots_.empty()) return;
  const at::NoGradGuard no_gradient;
  gradients_.zero_();
  for (Slot& slot : slots_) point_gradient(slot);
}

}  // namespace slmtune::train
