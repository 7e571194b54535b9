// The part of an optimiser's step that runs on a GPU without being waited for: the norm of the
// gradients, the clip factor and whether the step applies at all stay in device memory, and a copy
// of the verdict travels to pinned host memory behind the step.
//
//   device.judge(gradients, loss, scale, clip_norm);
//   ... kernels that read device.verdict() ...
//   device.send();                       // later, while other work is queued:
//   AdamVerdict verdict = device.wait();
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>

#include "kernels/adamw/adamw_cuda.h"

namespace slmtune::train {

class DeviceStep {
 public:
  // For steps over `values` [N], float32 or bfloat16, which the kernels can read.
  DeviceStep(const kernels::CudaAdamW& kernels, const at::Tensor& values);

  // `loss` may be undefined, else it is a float64 scalar there. G004 as all that starts kernels.
  void judge(const at::Tensor& gradients, const at::Tensor& loss, double scale, double clip_norm);
  void send();
  kernels::AdamVerdict wait();

  const kernels::CudaAdamW& table() const { return kernels_; }
  const kernels::AdamVerdict* verdict() const;
  kernels::CudaStream stream() const;  // LibTorch's current one
  kernels::CudaElement element() const { return element_; }

 private:
  const kernels::CudaAdamW& kernels_;
  at::Device device_;
  kernels::CudaElement element_;
  at::Tensor pieces_;          // float64, the workspace of the norm
  at::Tensor verdict_, host_;  // the bytes of one AdamVerdict
  std::optional<c10::Event> sent_;
};

// The kernels for `values` where it lies on a GPU and they know its type, else null.
const kernels::CudaAdamW* device_kernels(const at::Tensor& values);

}  // namespace slmtune::train
