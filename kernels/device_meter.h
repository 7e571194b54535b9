// Memory, power and energy of the device that a run uses, for its log and summary. On the CPU, and
// where the driver does not tell, figures are absent.
//
//   DeviceMeter meter(device);  ...  meter.figures().energy_kwh
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "kernels/cuda/energy_meter.h"

namespace slmtune::kernels {

struct DeviceFigures {
  std::optional<uint64_t> memory_peak;     // of tensors since the meter was made, bytes
  std::optional<uint64_t> reserved_peak;   // taken from the driver by LibTorch, bytes
  std::optional<uint64_t> process_memory;  // as the driver counts it, now
  std::optional<double> watts, mean_watts, energy_kwh, celsius;
  std::optional<int> core_mhz;
};

class DeviceMeter {
 public:
  // Opens the driver's library for the GPU that was opened (cuda_device.h).
  explicit DeviceMeter(at::Device device);
  DeviceMeter(at::Device device, std::unique_ptr<Nvml> driver);

  // The driver is asked at most once a second, and again when `now`.
  DeviceFigures figures(bool now = false);

 private:
  void ask();

  at::Device device_;
  std::unique_ptr<Nvml> driver_;
  NvmlReading reading_;
  EnergyMeter energy_;
  double asked_ = 0.0;  // seconds
};

}  // namespace slmtune::kernels
