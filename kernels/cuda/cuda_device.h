// Choosing a GPU and settling how LibTorch works there, before the first tensor.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace slmtune::kernels {

struct CudaDevice {
  int number = 0;  // of those that this process sees (CUDA_VISIBLE_DEVICES)
  int count = 1;   // how many it sees
  std::string name;
  std::string pci_address;    // for Nvml::open
  uint64_t memory_bytes = 0;  // that may be used: the card's, or SLMTUNE_GPU_MEMORY_GIB's
  int capability = 0;         // ten times: 89 = 8.9
};

struct CudaModule;

// The GPU that choose_gpu() takes, by its own facts. G002, G003, G006, G007 a GPU before Ampere.
CudaDevice find_cuda_device(const CudaModule& module, std::optional<int> asked);

// Opens the CUDA module and takes the GPU that choose_gpu() says. Sets LibTorch's allocator up
// (segments that grow in place: less is lost between blocks) and cuBLAS's workspace (fixed, so that
// the same step gives the same bytes), unless the user's environment says otherwise.
//
// SLMTUNE_GPU_MEMORY_GIB=12 lets a large card stand for a small one: the allocator is then held to
// so much less what CUDA itself takes. Must come before the process's first at::manual_seed and
// pinned tensor, when LibTorch looks for its CUDA half for the only time. G001 to G003, G006, G007,
// BusyError G014 when another program has the GPU for itself; U012 when that variable is no number.
CudaDevice open_cuda_device(std::optional<int> asked);

// The GPU that was opened last; none when there was none.
const std::optional<CudaDevice>& opened_cuda_device();

// Environment that LibTorch and cuBLAS read when they start; what is set already stays.
void set_cuda_environment();

// SLMTUNE_GPU_MEMORY_GIB in bytes. U012.
std::optional<uint64_t> gpu_memory_cap();

// Share of the card's memory that the allocator may take under a cap, what CUDA itself takes
// (kCudaContextBytes) left out.
double allocator_share(uint64_t cap, uint64_t card);

// What the driver holds for a process beside its tensors: contexts, code, cuBLAS. An estimate
// (the plan's, too), not a measurement.
inline constexpr uint64_t kCudaContextBytes = uint64_t{512} << 20;

}  // namespace slmtune::kernels
