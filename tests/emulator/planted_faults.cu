// Reversing an array through shared memory, rightly and with one fault at a time. Registers: at
// most 64 a thread.
#include "tests/emulator/planted_faults.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/launch.cuh"

namespace slmtune::emulator_tests {
namespace {

constexpr int kThreads = 64;

__global__ void __launch_bounds__(kThreads) reverse(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  values[own] = x[own];
  __syncthreads();
  y[own] = values[count - 1 - own];
}

constexpr int kMissingBarrierLine = __LINE__ + 5;
__global__ void __launch_bounds__(kThreads) without_barrier(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  values[own] = x[own];
  y[own] = values[count - 1 - own];
}

__global__ void __launch_bounds__(kThreads)
    without_late_barrier(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 2; ++round) {
    values[own] = x[own];
    __syncthreads();
    y[own] = values[count - 1 - own];
  }
}

__global__ void __launch_bounds__(kThreads)
    without_warp_barrier(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x), neighbour = own ^ 1;
  values[own] = x[own];
  y[count - 1 - neighbour] = values[neighbour];
}

__global__ void __launch_bounds__(kThreads) with_two_barriers(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  values[own] = x[own];
  if (own < kThreads / 2)
    __syncthreads();
  else
    __syncthreads();
  y[own] = values[count - 1 - own];
}

__global__ void __launch_bounds__(kThreads)
    with_skipped_barrier(const float* x, float* y, int count) {
  const int own = static_cast<int>(threadIdx.x);
  if (own % 2 == 0) __syncthreads();
  y[count - 1 - own] = __shfl_sync(0xFFFFFFFFu, x[own], own % 32);
}

__global__ void __launch_bounds__(kThreads) with_unwritten(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  if (own > 0) values[own] = x[own];
  __syncthreads();
  y[own] = values[count - 1 - own];
}

__global__ void __launch_bounds__(kThreads) past_shared(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  values[own] = x[own];
  __syncthreads();
  y[own] = values[count - own];
}

__global__ void __launch_bounds__(kThreads) past_device(const float* x, float* y, int count) {
  const int own = static_cast<int>(threadIdx.x);
  y[count - own] = x[own];
}

__global__ void __launch_bounds__(kThreads) misaligned(const float* x, float* y, int) {
  if (threadIdx.x == 0) kernels::store_pack(y, 0, kernels::load_pack<4>(x + 1, 0));
}

__global__ void __launch_bounds__(kThreads) with_absent_lane(const float* x, float* y, int count) {
  const int own = static_cast<int>(threadIdx.x);
  if (own % 32 > 15) return;
  y[count - 1 - own] = __shfl_xor_sync(0xFFFFFFFFu, x[own], 1);
}

__global__ void __launch_bounds__(kThreads) in_two_blocks(const float* x, float* y, int count) {
  const int own = static_cast<int>(threadIdx.x);
  y[count - 1 - own] = x[own];
}

__global__ void __launch_bounds__(kThreads) without_wait(const float* x, float* y, int count) {
  SLMTUNE_SHARED(float, values, [kThreads]);
  const int own = static_cast<int>(threadIdx.x);
  if (own % 4 == 0) kernels::copy_async(values + own, x + own);
  kernels::commit_copies();
  kernels::wait_for_copies<1>();
  __syncthreads();
  y[own] = values[count - 1 - own];
}

using Kernel = void (*)(const float*, float*, int);
Kernel kernel_of(Fault fault) {
  switch (fault) {
    case Fault::kMissingBarrier:
      return without_barrier;
    case Fault::kMissingLateBarrier:
      return without_late_barrier;
    case Fault::kMissingWarpBarrier:
      return without_warp_barrier;
    case Fault::kDivergentBarrier:
      return with_two_barriers;
    case Fault::kSkippedBarrier:
      return with_skipped_barrier;
    case Fault::kUnwrittenShared:
      return with_unwritten;
    case Fault::kPastShared:
      return past_shared;
    case Fault::kPastDevice:
      return past_device;
    case Fault::kMisaligned:
      return misaligned;
    case Fault::kAbsentLane:
      return with_absent_lane;
    case Fault::kTwoBlocks:
      return in_two_blocks;
    case Fault::kUnwaitedCopy:
      return without_wait;
    case Fault::kNone:
      break;
  }
  return reverse;
}

}  // namespace

int launch_reverse(Fault fault, const float* x, float* y, int count, CudaStream stream) {
  const unsigned blocks = fault == Fault::kTwoBlocks ? 2 : 1;
  const auto planted_kernel = kernel_of(fault);
  SLMTUNE_LAUNCH(planted_kernel, blocks, static_cast<unsigned>(count), stream, x, y, count);
  return cudaGetLastError();
}

int line_of_missing_barrier() {
  return kMissingBarrierLine;
}

}  // namespace slmtune::emulator_tests
