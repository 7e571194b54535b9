// Small kernels that use each of CUDA's words once, for the emulator's own tests.
#pragma once
#include <cstdint>

#include "kernels/cuda/cuda_types.h"

namespace slmtune::emulator_tests {

using kernels::CudaStream;

// places[…] counts how often each (block, thread) of a grid in three dimensions ran.
int launch_count_places(int* places, int threads_in_grid, CudaStream stream);

// One warp, 7 results per lane: the shuffles, votes and reductions of its lane number.
int launch_warp_words(int* results, CudaStream stream);

// sum[0] = Σ values by atomicAdd; last[0] = Σ of the blocks' sums, added by the block that is last
// to count itself at `counter`.
int launch_sums(const float* values, int count, float* sum, float* of_block, unsigned* counter,
                float* last, CudaStream stream);

// y = x behind double-buffered asynchronous copies, 16 bytes a thread, `count` floats (any).
int launch_copy(const float* x, float* y, int count, CudaStream stream);

// c [16, 8] = a [16, 16] · b [16, 8] of bfloat16 bits; b comes column by column (`from_columns`) or
// row by row.
int launch_product(const uint16_t* a, const uint16_t* b, bool from_columns, float* c,
                   CudaStream stream);

}  // namespace slmtune::emulator_tests
