// NCCL area of the CUDA module's table: sums over the GPUs of several processes. What surrounds it
// (meeting, watching, giving up) is collective/nccl_collective.h's.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::kernels {

// ncclUniqueId
struct CudaRanksId {
  char bytes[128];
};

// Every function returns 0 for done, kUnderWay where NCCL goes on by itself and state() tells when
// it is done, or a negative NCCL error for error_text(). All are null in a build without NCCL.
struct CudaNccl {
  static constexpr int kUnderWay = 1;

  // Made by one rank, given to all.
  int (*make_id)(CudaRanksId* id);
  // Joins the ranks with the current GPU of the thread; `team` is good for the other functions once
  // state() is 0.
  int (*join)(const CudaRanksId* id, int rank, int size, void** team);
  int (*state)(void* team);
  // `values` [count] become their sums over all ranks, the same bits everywhere.
  int (*sum)(void* team, float* values, int64_t count, CudaStream stream);
  // Waits for the stream. 0 or cudaError_t.
  int (*wait)(CudaStream stream);
  // Ends what is under way, whose result is undefined then. May come from any thread, once; the
  // team is gone afterwards.
  int (*abort)(void* team);
  // The orderly end: all ranks begin it, and destroy the team when state() is 0.
  int (*finish)(void* team);
  int (*destroy)(void* team);
  const char* (*error_text)(int error);
};

// The module's own (nccl_cuda.cpp, or nccl_absent.cpp).
const CudaNccl& cuda_nccl();

}  // namespace slmtune::kernels
