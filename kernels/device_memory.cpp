#include "kernels/device_memory.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>

#include "core/text.h"
#include "kernels/cuda/cuda_device.h"

namespace slmtune::kernels {
namespace {

c10::DeviceAllocator* allocator_of(at::Device device) {
  return device.is_cpu() ? nullptr : c10::getDeviceAllocator(device.type());
}

const c10::CachingAllocator::Stat& sum(const c10::CachingAllocator::StatArray& stats) {
  return stats[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
}

uint64_t bytes(int64_t count) {
  return static_cast<uint64_t>(std::max<int64_t>(0, count));
}

}  // namespace

std::optional<DeviceMemory> device_memory(at::Device device) {
  c10::DeviceAllocator* allocator = allocator_of(device);
  if (allocator == nullptr || !allocator->initialized()) return std::nullopt;
  const auto stats = allocator->getDeviceStats(device.index());
  const auto [free, card] = allocator->getMemoryInfo(device.index());
  const auto &allocated = sum(stats.allocated_bytes), &reserved = sum(stats.reserved_bytes);
  DeviceMemory memory;
  memory.total = card;
  memory.free = free;
  memory.allocated = bytes(allocated.current);
  memory.allocated_peak = bytes(allocated.peak);
  memory.reserved = bytes(reserved.current);
  memory.reserved_peak = bytes(reserved.peak);
  if (const auto& opened = opened_cuda_device(); opened && opened->memory_bytes < memory.total) {
    const uint64_t used = memory.reserved + kCudaContextBytes;
    memory.total = opened->memory_bytes;
    memory.free = std::min(memory.free, memory.total > used ? memory.total - used : 0);
  }
  return memory;
}

std::optional<AllocatorPeaks> allocator_peaks(at::Device device) {
  c10::DeviceAllocator* allocator = allocator_of(device);
  if (allocator == nullptr || !allocator->initialized()) return std::nullopt;
  const auto stats = allocator->getDeviceStats(device.index());
  return AllocatorPeaks{bytes(sum(stats.allocated_bytes).peak),
                        bytes(sum(stats.reserved_bytes).peak)};
}

void restart_device_peaks(at::Device device) {
  if (c10::DeviceAllocator* allocator = allocator_of(device); allocator && allocator->initialized())
    allocator->resetPeakStats(device.index());
}

void release_device_cache(at::Device device) {
  if (c10::DeviceAllocator* allocator = allocator_of(device); allocator && allocator->initialized())
    allocator->emptyCache();
}

std::string memory_numbers(at::Device device) {
  const std::optional<DeviceMemory> memory = device_memory(device);
  if (!memory) return "";
  return human_bytes(memory->allocated_peak) + " in use at most, " +
         human_bytes(memory->reserved_peak) + " taken of " + human_bytes(memory->total);
}

bool tells_full_memory(std::string_view text) {
  return text.find("CUBLAS_STATUS_ALLOC_FAILED") != std::string_view::npos;
}

UnavailableError device_memory_full(const std::string& what, at::Device device,
                                    const std::string& help) {
  const std::string numbers = memory_numbers(device);
  return {"G013", device.str(),
          "the GPU's memory is full: " + what + (numbers.empty() ? "" : " (" + numbers + ")"),
          help};
}

}  // namespace slmtune::kernels
