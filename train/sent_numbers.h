// Numbers of a step on their way from the device to the host: copied behind the step's last kernel,
// read when the next step has been queued, so that nobody waits. On the CPU they are there at once.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <optional>
#include <utility>

namespace slmtune::train {

class SentNumbers {
 public:
  // `loss` a float64 scalar, `metrics` float64 [K] or undefined, on one device.
  SentNumbers(const at::Tensor& loss, const at::Tensor& metrics);

  // Once they have arrived: the loss, and the metrics on the CPU.
  std::pair<double, at::Tensor> wait();

 private:
  at::Tensor loss_, metrics_;  // on the host
  std::optional<c10::Event> arrived_;
};

}  // namespace slmtune::train
