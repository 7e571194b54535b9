#include "kernels/device_meter.h"

#include "core/log.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device_memory.h"

namespace slmtune::kernels {
namespace {

constexpr double kSecondsBetween = 1.0;

std::unique_ptr<Nvml> driver_of(at::Device device) {
  const std::optional<CudaDevice>& opened = opened_cuda_device();
  if (device.is_cpu() || !opened) return nullptr;
  return Nvml::open(opened->pci_address);
}

}  // namespace

DeviceMeter::DeviceMeter(at::Device device) : DeviceMeter(device, driver_of(device)) {}

DeviceMeter::DeviceMeter(at::Device device, std::unique_ptr<Nvml> driver)
    : device_(device), driver_(std::move(driver)) {
  restart_device_peaks(device_);
  ask();
}

void DeviceMeter::ask() {
  if (!driver_) return;
  asked_ = now_seconds();
  reading_ = driver_->read();
  energy_.add(reading_, asked_);
}

DeviceFigures DeviceMeter::figures(bool now) {
  if (now || now_seconds() - asked_ >= kSecondsBetween) ask();
  DeviceFigures figures;
  if (const std::optional<AllocatorPeaks> peaks = allocator_peaks(device_)) {
    figures.memory_peak = peaks->allocated;
    figures.reserved_peak = peaks->reserved;
  }
  figures.process_memory = reading_.process_memory;
  figures.watts = reading_.watts;
  figures.mean_watts = energy_.mean_watts();
  figures.energy_kwh = energy_.kwh();
  figures.celsius = reading_.celsius;
  figures.core_mhz = reading_.core_mhz;
  return figures;
}

}  // namespace slmtune::kernels
