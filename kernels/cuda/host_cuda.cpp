// Host area of the CUDA module: the CUDA runtime's own calls and c10's streams.
#include "kernels/cuda/host_cuda.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdio>

namespace slmtune::kernels {
namespace {

void write_reason(char* reason, size_t bytes, cudaError_t error) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (error == cudaErrorInsufficientDriver && driver > 0)
    std::snprintf(reason, bytes, "the driver supports CUDA %d.%d, this build needs %d.%d",
                  driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                  CUDART_VERSION % 1000 / 10);
  else if (driver == 0)
    std::snprintf(reason, bytes, "none is installed");
  else
    std::snprintf(reason, bytes, "%s", cudaGetErrorString(error));
}

int device_count(char* reason, size_t reason_bytes) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) return count;
  cudaGetLastError();
  if (error == cudaErrorNoDevice) return 0;
  write_reason(reason, reason_bytes, error);
  return -1;
}

int describe(int device, CudaDeviceFacts* facts) {
  cudaDeviceProp properties{};
  cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return error;
  std::snprintf(facts->name, sizeof facts->name, "%s", properties.name);
  facts->memory_bytes = properties.totalGlobalMem;
  facts->capability = properties.major * 10 + properties.minor;
  facts->multiprocessors = properties.multiProcessorCount;
  return cudaDeviceGetPCIBusId(facts->pci_address, sizeof facts->pci_address, device);
}

const char* error_text(int error) {
  return cudaGetErrorString(static_cast<cudaError_t>(error));
}

int current_stream(int device, CudaStream* stream) {
  const cudaError_t error = cudaSetDevice(device);
  if (error != cudaSuccess) return error;
  try {
    *stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream();
  } catch (...) {  // no exception leaves the module
    return cudaErrorUnknown;
  }
  return cudaSuccess;
}

int limit_memory(int device, double share) {
  try {
    c10::cuda::CUDACachingAllocator::setMemoryFraction(share,
                                                       static_cast<c10::DeviceIndex>(device));
  } catch (...) {
    return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

}  // namespace

const CudaHost& cuda_host() {
  static constexpr CudaHost table = {device_count, describe, error_text, current_stream,
                                     limit_memory};
  return table;
}

}  // namespace slmtune::kernels
