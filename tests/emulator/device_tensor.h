// Tensors in the emulator's device memory: CPU tensors for LibTorch, guarded arrays for kernels.
//
//   at::Tensor x = on_device(at::randn({3, 7})), y = empty_on_device({3, 7}, at::kFloat);
//   ASSERT_EQ(launch_rms_norm_forward(rows, x.data_ptr(), …, y.data_ptr(), …, nullptr), 0);
#pragma once
#include <ATen/ATen.h>

#include <memory>

#include "tests/emulator/device_memory.h"

namespace slmtune::emulator {

// Contiguous, every byte 0xFF (NaN, or −1). Starts `offset` elements behind a multiple of 256
// bytes.
inline at::Tensor empty_on_device(at::IntArrayRef shape, at::ScalarType dtype, int64_t offset = 0) {
  const size_t element = c10::elementSize(dtype);
  auto memory =
      std::make_shared<DeviceMemory>(static_cast<size_t>(c10::multiply_integers(shape)) * element,
                                     static_cast<size_t>(offset) * element);
  return at::from_blob(
      memory->data(), shape, [memory](void*) {}, at::dtype(dtype));
}

inline at::Tensor on_device(const at::Tensor& values, int64_t offset = 0) {
  const at::Tensor copy = empty_on_device(values.sizes(), values.scalar_type(), offset);
  copy.copy_(values);
  return copy;
}

}  // namespace slmtune::emulator
