#include "train/device_step.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>

#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"

namespace slmtune::train {
namespace {

using kernels::AdamVerdict;

constexpr auto kVerdictBytes = static_cast<int64_t>(sizeof(AdamVerdict));

}  // namespace

const kernels::CudaAdamW* device_kernels(const at::Tensor& values) {
  const bool applies = values.defined() && kernels::has_cuda_kernels(values);
  return applies ? &kernels::opened_cuda_module().adamw : nullptr;
}

DeviceStep::DeviceStep(const kernels::CudaAdamW& kernels, const at::Tensor& values)
    : kernels_(kernels),
      device_(values.device()),
      element_(kernels::cuda_element(values)),
      pieces_(
          at::empty({kernels.norm_pieces(values.numel())}, values.options().dtype(at::kDouble))),
      verdict_(at::zeros({kVerdictBytes}, values.options().dtype(at::kByte))),
      host_(at::empty({kVerdictBytes},
                      at::TensorOptions().dtype(at::kByte).pinned_memory(values.is_cuda()))) {
  if (values.is_cuda()) sent_.emplace(c10::DeviceType::CUDA);
}

void DeviceStep::judge(const at::Tensor& gradients, const at::Tensor& loss, double scale,
                       double clip_norm) {
  const double* loss_value = loss.defined() ? loss.const_data_ptr<double>() : nullptr;
  kernels::check_cuda(
      kernels_.judge(gradients.const_data_ptr(), element_, gradients.numel(), loss_value, scale,
                     clip_norm, pieces_.mutable_data_ptr<double>(),
                     static_cast<AdamVerdict*>(verdict_.mutable_data_ptr()), stream()),
      "adamw_judge");
}

void DeviceStep::send() {
  host_.copy_(verdict_, /*non_blocking=*/true);
  if (sent_) sent_->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

AdamVerdict DeviceStep::wait() {
  if (sent_) sent_->synchronize();
  AdamVerdict verdict;
  std::memcpy(&verdict, host_.const_data_ptr(), sizeof verdict);
  return verdict;
}

const AdamVerdict* DeviceStep::verdict() const {
  return static_cast<const AdamVerdict*>(verdict_.const_data_ptr());
}

kernels::CudaStream DeviceStep::stream() const {
  return device_.is_cuda() ? kernels::cuda_stream(device_.index()) : nullptr;
}

}  // namespace slmtune::train
