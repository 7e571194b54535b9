// What every .cu file starts with: the CUDA headers, or nothing when a test compiles the file as
// C++ against tests/kernels/block_emulator.h, which defines the same names and runs the very
// kernels on the CPU.
#pragma once
#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define SLMTUNE_LAUNCH(kernel, blocks, threads, stream, ...) \
  kernel<<<blocks, threads, 0, stream>>>(__VA_ARGS__)
#endif

#include <cstdint>

namespace slmtune::kernels {

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

// Round to nearest even.
template <typename T>
__device__ inline T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// 16 bytes of T: what one thread moves with one instruction.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T values[kSize];
};

// Sum of `value` over the block, the same for every thread and in the same order in every run.
// Blocks of whole warps.
__device__ inline float block_sum(float value) {
  __shared__ float of_warp[32];
  __shared__ float total;
  for (int lane = 16; lane > 0; lane /= 2) value += __shfl_xor_sync(0xffffffffu, value, lane);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0.0f;
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) sum += of_warp[warp];
    total = sum;
  }
  __syncthreads();
  return total;
}

}  // namespace slmtune::kernels
