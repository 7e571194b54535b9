// What the NVIDIA driver tells about a GPU beside CUDA: memory in use, power, energy, clocks,
// temperature. libnvidia-ml.so.1 is opened at run time; a figure that it does not give is absent.
// Source: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/. No CUDA header is needed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace slmtune::kernels {

struct NvmlReading {
  std::optional<uint64_t> memory_total = {}, memory_used = {};  // bytes, by all processes
  std::optional<uint64_t> process_memory = {};                  // bytes, by this process
  std::optional<double> watts = {};                             // drawn now
  std::optional<double> joules = {};  // drawn since the driver was loaded; before Volta absent
  std::optional<double> celsius = {};
  std::optional<int> core_mhz = {}, memory_mhz = {};
};

class Nvml {
 public:
  // The GPU at this PCI address ("0000:65:00.0"). Null when there is no library, when it does not
  // start, or when it does not know the GPU.
  static std::unique_ptr<Nvml> open(const std::string& pci_address,
                                    const std::string& library = "libnvidia-ml.so.1");
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  // Takes up to some milliseconds: not for every step.
  NvmlReading read() const;

 private:
  struct Calls;
  explicit Nvml(std::unique_ptr<Calls> calls);
  std::unique_ptr<Calls> calls_;
};

}  // namespace slmtune::kernels
