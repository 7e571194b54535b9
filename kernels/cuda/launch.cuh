// What every .cu file starts with: the CUDA headers and how kernels are started and take shared
// memory. A test compiles the same file as C++ behind tests/emulator/block_emulator.h, which
// defines the same names and runs the very kernels on the CPU.
//
//   __global__ void __launch_bounds__(256) f(const float* x, float* y) {
//     SLMTUNE_SHARED(float, tile, [32][33]);  // static; the emulator sees every access to it,
//     SLMTUNE_DYNAMIC_SHARED(float, rows);    // as it would not with `__shared__` alone
//     ...
//   }
//   SLMTUNE_LAUNCH(f, blocks, 256, stream, x, y);  return cudaGetLastError();
//   SLMTUNE_LAUNCH_SHARED(f, blocks, 256, bytes, stream, x, y);
//
// A kernel with several template arguments goes through a name of its own, since the commas would
// split the macro: `const auto kernel = f<float, 64>;`. Never plain `__shared__`, and at most 99
// KiB of it a block: what every card from sm_80 on has.
#pragma once
#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define SLMTUNE_LAUNCH(kernel, blocks, threads, stream, ...) \
  kernel<<<blocks, threads, 0, stream>>>(__VA_ARGS__)

// `bytes` of dynamic shared memory; above 48 KiB a kernel must ask for it.
#define SLMTUNE_LAUNCH_SHARED(kernel, blocks, threads, bytes, stream, ...)                     \
  do {                                                                                         \
    const int wanted_bytes = static_cast<int>(bytes);                                          \
    if (wanted_bytes > 48 * 1024)                                                              \
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, wanted_bytes); \
    kernel<<<blocks, threads, wanted_bytes, stream>>>(__VA_ARGS__);                            \
  } while (false)

// `type name extents`, 16-byte aligned, contents undefined until written.
#define SLMTUNE_SHARED(type, name, ...) __shared__ __align__(16) type name __VA_ARGS__

// `name` points to the bytes of SLMTUNE_LAUNCH_SHARED, 16-byte aligned. Several in one kernel start
// at the same place.
#define SLMTUNE_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char slmtune_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(slmtune_dynamic_shared)
#endif

#include <cstdint>
#include <cstring>

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

// Numbers that one thread moves with one instruction: 16 bytes, or one number where rows are not
// made of whole 16 bytes.
template <typename T, int kCount = 16 / static_cast<int>(sizeof(T))>
struct alignas(sizeof(T) * kCount) Pack {
  static constexpr int kSize = kCount;
  T values[kCount];
};

// Group `index` of a row.
template <int kCount, typename T>
__device__ inline Pack<T, kCount> load_pack(const T* row, int64_t index) {
  return reinterpret_cast<const Pack<T, kCount>*>(row)[index];
}
template <typename T, int kCount>
__device__ inline void store_pack(T* row, int64_t index, const Pack<T, kCount>& pack) {
  reinterpret_cast<Pack<T, kCount>*>(row)[index] = pack;
}

// Whether every row of an array starts at a multiple of 16 bytes. For the host.
template <typename T>
inline bool moves_packs(const void* start, int64_t row_stride) {
  return reinterpret_cast<uintptr_t>(start) % 16 == 0 && row_stride % Pack<T>::kSize == 0;
}

// Sum of `value` over the block, the same for every thread and in the same order in every run.
// Every thread of the block calls it; blocks of whole warps.
__device__ inline float block_sum(float value) {
  SLMTUNE_SHARED(float, of_warp, [32]);
  for (int lane = 16; lane > 0; lane /= 2) value += __shfl_xor_sync(0xffffffffu, value, lane);
  __syncthreads();  // a sum before this one has been read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0f;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) sum += of_warp[warp];
  return sum;
}

}  // namespace slmtune::kernels
