#include "kernels/quant/written_weights.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <utility>

namespace slmtune::kernels {
namespace {

// The formats write these two; others are converted.
bool is_written(at::ScalarType type) {
  return type == at::kBFloat16 || type == at::kFloat;
}

}  // namespace

WrittenWeights::WrittenWeights(at::Device device, bool ahead)
    : device_(device), is_ahead_(ahead), side_(device) {}

void WrittenWeights::begin() {
  settle();
  order_.begin();
}

at::Tensor WrittenWeights::of(const FrozenWeight& weight, at::ScalarType type, int64_t room) {
  const auto* quantised = dynamic_cast<const QuantisedWeight*>(&weight);
  if (quantised == nullptr && keeping_ == 0) return weight.dense(type);
  if (room > 0) rooms_[&weight] = room;
  if (const auto found = kept_.find(&weight);
      found != kept_.end() && found->second.scalar_type() == type)
    return found->second;
  const at::Tensor dense = quantised ? take(*quantised, type) : weight.dense(type);
  if (keeping_ > 0) kept_[&weight] = dense;
  return dense;
}

void WrittenWeights::settle() {
  if (ahead_.weight == nullptr) return;
  const Ahead dropped = std::exchange(ahead_, {});
  ++in_vain_;
  try {
    side_.wait(dropped.arrival);
  } catch (const c10::Error&) {
    // It was begun within a recording that failed and never ran. A device that is broken says so at
    // its next kernel.
  }
}

// [out, in], with the room behind its rows that was asked for.
at::Tensor WrittenWeights::place_for(const QuantisedWeight& weight, at::ScalarType type) const {
  const auto found = rooms_.find(&weight);
  const int64_t in = weight.in_features(), room = found == rooms_.end() ? 0 : found->second;
  const auto options = at::TensorOptions().dtype(type).device(device_);
  return at::empty({weight.out_features(), in + room}, options).narrow(1, 0, in);
}

at::Tensor WrittenWeights::write(const QuantisedWeight& weight, at::ScalarType type) {
  ++written_;
  if (!rooms_.contains(&weight) || !is_written(type)) return weight.dense(type);
  at::Tensor dense = place_for(weight, type);
  weight.write_into(dense);
  return dense;
}

at::Tensor WrittenWeights::take(const QuantisedWeight& weight, at::ScalarType type) {
  if (!is_ahead_ || !is_written(type)) return write(weight, type);
  at::Tensor dense;
  if (ahead_.weight == &weight && ahead_.dense.scalar_type() == type) {
    side_.wait(ahead_.arrival);
    dense = std::exchange(ahead_, {}).dense;
  } else {
    settle();
    dense = write(weight, type);
  }
  const auto* next = static_cast<const QuantisedWeight*>(order_.use(&weight));
  if (next != nullptr && !kept_.contains(next)) start(*next, type);
  return dense;
}

void WrittenWeights::start(const QuantisedWeight& weight, at::ScalarType type) {
  ++written_;
  ahead_.weight = &weight;
  ahead_.dense = place_for(weight, type);
  ahead_.arrival = side_.run([&] { weight.write_into(ahead_.dense); });
}

WrittenWeights::Kept::Kept(WrittenWeights* weights) : weights_(weights) {
  if (weights_ != nullptr) ++weights_->keeping_;
}

WrittenWeights::Kept::~Kept() {
  if (weights_ != nullptr && --weights_->keeping_ == 0) weights_->kept_.clear();
}

int64_t room_behind(const at::Tensor& matrix) {
  return matrix.size(0) > 0 ? matrix.stride(0) - matrix.size(1) : 0;
}

at::Tensor with_room(const at::Tensor& matrix) {
  return matrix.as_strided({matrix.size(0), matrix.stride(0)}, matrix.strides());
}

}  // namespace slmtune::kernels
