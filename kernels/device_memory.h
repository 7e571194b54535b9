// Memory of a GPU, as LibTorch's allocator and the driver count it. On the CPU there is nothing to
// tell (core/process_memory.h does).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace slmtune::kernels {

struct DeviceMemory {
  uint64_t total = 0;      // that may be used: the card's, or less (SLMTUNE_GPU_MEMORY_GIB)
  uint64_t free = 0;       // not taken by any process, under the same limit
  uint64_t allocated = 0;  // by tensors that live
  uint64_t allocated_peak = 0;
  uint64_t reserved = 0;  // taken from the driver
  uint64_t reserved_peak = 0;
};

// None on the CPU.
std::optional<DeviceMemory> device_memory(at::Device device);

// allocated_peak and reserved_peak alone, without a call of the driver.
struct AllocatorPeaks {
  uint64_t allocated = 0, reserved = 0;
};
std::optional<AllocatorPeaks> allocator_peaks(at::Device device);

// Peaks count from here on. Nothing on the CPU.
void restart_device_peaks(at::Device device);

// Gives what no tensor uses back to the driver. Nothing on the CPU.
void release_device_cache(at::Device device);

// "9.5 GiB in use at most, 11.2 GiB taken of 12 GiB"; "" on the CPU.
std::string memory_numbers(at::Device device);

// Whether this is the text of a library of the GPU that found no room for memory of its own, beside
// what LibTorch's allocator gives (cuBLAS: its handles and workspaces).
bool tells_full_memory(std::string_view text);

// UnavailableError G013 with these numbers. `what` says what did not fit.
UnavailableError device_memory_full(const std::string& what, at::Device device,
                                    const std::string& help);

}  // namespace slmtune::kernels
