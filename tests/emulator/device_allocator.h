// For host code that makes tensors of its own and hands them to kernels.
//
//   const DeviceTensors active;                 // while it lives, CPU tensors lie in guarded
//   arrays at::Tensor codes = quantise_on_device(...);
#pragma once
#include <c10/core/Allocator.h>

#include <cstring>

#include "tests/emulator/device_memory.h"

namespace slmtune::emulator {

class DeviceTensors final : public c10::Allocator {
 public:
  DeviceTensors() { c10::SetAllocator(c10::kCPU, this); }
  ~DeviceTensors() override { c10::SetAllocator(c10::kCPU, before_); }
  DeviceTensors(const DeviceTensors&) = delete;
  DeviceTensors& operator=(const DeviceTensors&) = delete;

  // May be let go of later than this allocator.
  c10::DataPtr allocate(size_t bytes) override {
    auto* memory = new DeviceMemory(bytes);
    return {memory->data(), memory, &release, c10::Device(c10::kCPU)};
  }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    std::memcpy(target, source, bytes);
  }

 private:
  static void release(void* memory) { delete static_cast<DeviceMemory*>(memory); }

  c10::Allocator* before_ = c10::GetAllocator(c10::kCPU);
};

}  // namespace slmtune::emulator
