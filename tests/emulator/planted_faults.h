// Kernels with one planted fault each, for the test that every fault is caught.
#pragma once
#include "kernels/cuda/cuda_types.h"

namespace slmtune::emulator_tests {

using kernels::CudaStream;

enum class Fault {
  kNone,
  kMissingBarrier,      // reads a neighbour's shared value at once
  kMissingLateBarrier,  // overwrites shared values that others may still read
  kMissingWarpBarrier,  // the same inside one warp
  kDivergentBarrier,    // half of the threads wait at another barrier
  kSkippedBarrier,      // half of the threads wait for no barrier and go on to a shuffle
  kUnwrittenShared,     // reads shared memory that nobody wrote
  kPastShared,          // reads one element behind a shared array
  kPastDevice,          // writes one element behind an array
  kMisaligned,          // moves 16 bytes from a multiple of 4
  kAbsentLane,          // names lanes that have left in a shuffle's mask
  kTwoBlocks,           // all blocks write the same element
  kUnwaitedCopy,        // reads the target of an asynchronous copy under way
};

// y[i] = x[count - 1 - i] for one block of `count` threads (64), where nothing is planted.
int launch_reverse(Fault fault, const float* x, float* y, int count, CudaStream stream);

// The line of the read that misses its barrier (kMissingBarrier).
int line_of_missing_barrier();

}  // namespace slmtune::emulator_tests
