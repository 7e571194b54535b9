// The table of libslmtune_cuda.so. The only C++ file that sees the CUDA runtime and c10's streams.
#include "kernels/cuda/module.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <cstdio>

#include "kernels/rms_norm/rms_norm_cuda.h"

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

int describe(int device, char* name, size_t name_bytes, uint64_t* memory_bytes, int* capability) {
  cudaDeviceProp properties{};
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return error;
  std::snprintf(name, name_bytes, "%s", properties.name);
  *memory_bytes = properties.totalGlobalMem;
  *capability = properties.major * 10 + properties.minor;
  return cudaSuccess;
}

const char* error_text(int error) {
  return cudaGetErrorString(static_cast<cudaError_t>(error));
}

// Runs `launch(stream)` on the current stream of `device`. No exception leaves the module.
template <typename Launch>
int on_device(int device, Launch&& launch) {
  try {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
    return launch(c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream());
  } catch (...) {
    return cudaErrorUnknown;
  }
}

int rms_norm_forward(CudaRows rows, const void* x, const void* weight, void* y, float* scale,
                     double eps) {
  return on_device(rows.device, [&](cudaStream_t stream) {
    return launch_rms_norm_forward(rows, x, weight, y, scale, eps, stream);
  });
}

int rms_norm_backward(CudaRows rows, const void* grad_y, const void* x, const void* weight,
                      const float* scale, void* grad_x, void* grad_weight, float* partial) {
  return on_device(rows.device, [&](cudaStream_t stream) {
    return launch_rms_norm_backward(rows, grad_y, x, weight, scale, grad_x, grad_weight, partial,
                                    stream);
  });
}

const CudaModule table = {kCudaModuleAbi,   device_count,          describe,         error_text,
                          rms_norm_forward, rms_norm_partial_rows, rms_norm_backward};

}  // namespace
}  // namespace slmtune::kernels

extern "C" __attribute__((visibility("default"))) const slmtune::kernels::CudaModule*
slmtune_cuda_module() {
  return &slmtune::kernels::table;
}
