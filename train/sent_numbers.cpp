#include "train/sent_numbers.h"

#include <ATen/ATen.h>

#include "kernels/side_stream.h"

namespace slmtune::train {
namespace {

at::Tensor to_host(const at::Tensor& numbers) {
  if (!numbers.defined() || numbers.is_cpu()) return numbers;
  const auto options = numbers.options().device(at::kCPU).pinned_memory(true);
  return at::empty(numbers.sizes(), options).copy_(numbers, /*non_blocking=*/true);
}

}  // namespace

SentNumbers::SentNumbers(const at::Tensor& loss, const at::Tensor& metrics)
    : loss_(to_host(loss)), metrics_(to_host(metrics)) {
  if (loss.is_cpu()) return;
  arrived_.emplace(loss.device().type());
  arrived_->record(kernels::current_stream(loss.device()));
}

std::pair<double, at::Tensor> SentNumbers::wait() {
  if (arrived_) arrived_->synchronize();
  return {*loss_.const_data_ptr<double>(), metrics_};
}

}  // namespace slmtune::train
