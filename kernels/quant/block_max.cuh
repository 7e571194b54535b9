// The largest value of a block of threads, for the kernels that scale by it.
#pragma once
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {

// For every thread; each thread of the block calls it, blocks of whole warps. Values are not below
// 0; not-a-number counts as none.
__device__ inline float block_max(float value) {
  SLMTUNE_SHARED(float, of_warp, [32]);
  for (int lane = 16; lane > 0; lane /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, lane));
  __syncthreads();  // a maximum before this one has been read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float largest = 0.0f;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) largest = fmaxf(largest, of_warp[warp]);
  return largest;
}

}  // namespace slmtune::kernels
