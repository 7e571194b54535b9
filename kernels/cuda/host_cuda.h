// Host area of the CUDA module's table: GPUs, streams and errors.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

struct CudaDeviceFacts {
  char name[256];
  char pci_address[32];  // "0000:65:00.0"
  uint64_t memory_bytes;
  int capability;  // compute capability times ten: 90 = 9.0
  int multiprocessors;
};

struct CudaHost {
  // GPUs that can be used, or -1 with the reason (a C string) in `reason`. Never throws.
  int (*device_count)(char* reason, size_t reason_bytes);
  int (*describe)(int device, CudaDeviceFacts* facts);
  const char* (*error_text)(int error);
  // Makes `device` the calling thread's GPU and gives LibTorch's current stream there. 0 or
  // cudaError_t.
  int (*current_stream)(int device, CudaStream* stream);
  // LibTorch's allocator on `device`, which must be initialised, asks the driver for at most this
  // much; what goes beyond it is out of memory. `share` of the GPU's memory, above 0 and up to 1.
  int (*limit_memory)(int device, double share);
};

// The module's own (host_cuda.cpp); the program goes through CudaModule::host.
const CudaHost& cuda_host();

}  // namespace slmtune::kernels
