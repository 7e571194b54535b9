// What a kernel's code calls while the emulator runs it. Everything here belongs to the one running
// launch; only one thread of the program launches.
#pragma once
#include <cstddef>
#include <functional>
#include <source_location>
#include <string>

#include "tests/emulator/cuda_names.h"

namespace slmtune::emulator {

extern uint3 thread_index, block_index;  // of the CUDA thread whose turn it is
extern dim3 block_size, grid_size;

// Runs body() once per CUDA thread, blocks in order. EmulationError as block_emulator.h says.
void run_grid(const char* kernel, dim3 blocks, dim3 threads, size_t dynamic_bytes,
              const std::function<void()>& body);

// The same by reference: the kernel's arguments stay on the launcher's stack, which kernels may
// read.
template <typename Body>
void run_grid_of(const char* kernel, dim3 blocks, dim3 threads, size_t dynamic_bytes,
                 const Body& body) {
  run_grid(kernel, blocks, threads, dynamic_bytes, std::cref(body));
}

// Position of the running thread in its block (x fastest) and in its warp.
unsigned linear_thread();
unsigned lane_index();

// Returns when all live threads of the block have arrived at this very place.
struct BlockVote {
  int ones, live;  // how many threads came with a `vote` that is not 0, and how many came
};
BlockVote meet_block(int vote, const std::source_location& where);

// Returns when all lanes of `mask` have arrived at this very place. The last one calls
// combine(lanes, mask): lanes[l] is what lane l gave as `mine` and is null outside the mask.
// `orders_memory`: what a lane wrote before is seen by the others after (__syncwarp; a shuffle does
// not promise it).
using Combine = void (*)(void* const* lanes, unsigned mask);
void meet_warp(unsigned mask, void* mine, Combine combine, bool orders_memory,
               const std::source_location& where);

// Stops the launch: EmulationError with the running thread, `what` and, where it is known, the line
// of the instruction `code`.
[[noreturn]] void fail(const std::string& what, const void* code = nullptr);

// The block's array of that key, new and full of 0xFF bytes at its first use in a block.
void* shared_place(const void* key, size_t bytes, const char* name);
void* dynamic_shared();

// __threadfence: what the thread wrote is seen by whoever sees its next atomic operation.
void fence_device();
// The running thread changes `bytes` at `address` in one indivisible step: what is there, and what
// comes there.
void start_atomic(const void* address, void* old, size_t bytes);
void end_atomic(void* address, const void* next, size_t bytes);

}  // namespace slmtune::emulator
