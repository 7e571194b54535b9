// Runs the kernels of a .cu file on the CPU: the build puts this header before the file and
// compiles it as C++ (slmtune_emulate in tests/emulator/emulate.cmake). One fiber ↔ one CUDA
// thread; the threads of a block take turns at barriers and warp operations, blocks run one after
// another.
//
// A launch throws EmulationError, with kernel, block, thread and line, when
//   - the live threads of a block stand at different barriers, or a warp operation is not reached
//   by
//     all lanes of its mask, or names a lane that has left;
//   - two threads touch the same shared or device byte, one writing, with nothing between them that
//     orders the two (a missing barrier), or two blocks of one launch do;
//   - shared memory is read before it was written, or an asynchronous copy before it was waited
//   for;
//   - an access leaves the arrays of device_memory.h and of SLMTUNE_SHARED, or is misaligned.
// The last three need the compiler's report of every access, which builds with AddressSanitizer
// cannot have; there, guard zones around the arrays are poisoned instead.
#pragma once
#include "tests/emulator/cuda_names.h"
#include "tests/emulator/narrow_floats.h"
#include "tests/emulator/scheduler.h"
// In this order: names first, then what is built of them.
#include "tests/emulator/arithmetic.h"
#include "tests/emulator/warp.h"

#define threadIdx ::slmtune::emulator::thread_index
#define blockIdx ::slmtune::emulator::block_index
#define blockDim ::slmtune::emulator::block_size
#define gridDim ::slmtune::emulator::grid_size
inline constexpr int warpSize = 32;

#define SLMTUNE_LAUNCH(kernel, blocks, threads, stream, ...) \
  SLMTUNE_LAUNCH_SHARED(kernel, blocks, threads, 0, stream, __VA_ARGS__)

#define SLMTUNE_LAUNCH_SHARED(kernel, blocks, threads, bytes, stream, ...)                \
  ((void)(stream),                                                                        \
   ::slmtune::emulator::run_grid_of(#kernel, blocks, threads, static_cast<size_t>(bytes), \
                                    [&] { kernel(__VA_ARGS__); }))

#define SLMTUNE_SHARED(type, name, ...)                                   \
  using name##_in_shared_memory = type __VA_ARGS__;                       \
  static const char name##_key = 0;                                       \
  name##_in_shared_memory& name = *static_cast<name##_in_shared_memory*>( \
      ::slmtune::emulator::shared_place(&name##_key, sizeof(name##_in_shared_memory), #name))

#define SLMTUNE_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::slmtune::emulator::dynamic_shared())
