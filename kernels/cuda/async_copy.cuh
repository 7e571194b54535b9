// Copies from device to shared memory that pass no register and run while the thread goes on
// (cp.async, sm_80 on). Every thread waits for its own copies, then a __syncthreads() makes them
// seen by the others. The emulator (tests/emulator) hides the bytes until they were waited for.
//
//   copy_async(tile + i, x + i, i < count);   commit_copies();
//   copy_async(next + i, ...);                commit_copies();
//   wait_for_copies<1>();   __syncthreads();        // tile is there, next may still be under way
#pragma once
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {

#ifdef __CUDACC__

// 16 bytes, both addresses a multiple of 16; zeros, with nothing read, where `exists` is false.
__device__ inline void copy_async(void* shared, const void* global, bool exists = true) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const uint32_t bytes = exists ? 16u : 0u;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(address), "l"(global), "r"(bytes)
               : "memory");
}

// The calling thread's copies since the last commit become one group.
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Until at most kPending of the thread's newest groups are under way.
template <int kPending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

#else

void copy_async(void* shared, const void* global, bool exists = true);
void commit_copies();
void wait_for_pending_copies(int pending);
template <int kPending>
void wait_for_copies() {
  wait_for_pending_copies(kPending);
}

#endif

}  // namespace slmtune::kernels
