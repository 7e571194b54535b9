// Runs a .cu file's kernels on the CPU: include this before the file. Each CUDA thread of a block
// is a thread here and blocks run one after another, so `static` stands for shared memory and a
// barrier for __syncthreads. Slow on purpose: for grids of a few blocks.
#pragma once
#include <barrier>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  explicit dim3(unsigned x_ = 1, unsigned y_ = 1) : x(x_), y(y_) {}
  explicit dim3(int x_) : x(static_cast<unsigned>(x_)) {}
};

using cudaStream_t = struct CUstream_st*;
inline constexpr int cudaSuccess = 0, cudaErrorInvalidValue = 1;
inline int cudaGetLastError() {
  return cudaSuccess;
}

struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}
inline float rsqrtf(float value) {
  return 1.0f / std::sqrt(value);
}

#define __global__
#define __device__
#define __shared__ static

namespace slmtune::testing {

inline thread_local dim3 thread_index, block_index;
inline dim3 block_size, grid_size;

// Barriers and the exchange places of one block's threads.
struct Block {
  explicit Block(unsigned threads) : all(threads), exchange(threads) {
    for (unsigned warp = 0; warp < threads / 32; ++warp)
      warps.push_back(std::make_unique<std::barrier<>>(32));
  }
  std::barrier<> all;
  std::vector<std::unique_ptr<std::barrier<>>> warps;
  std::vector<float> exchange;
};
inline Block* running = nullptr;

template <typename Kernel>
void run_blocks(dim3 blocks, dim3 threads, const Kernel& kernel) {
  Block block(threads.x);
  running = &block;
  block_size = threads;
  grid_size = blocks;
  std::vector<std::thread> team;
  for (unsigned t = 0; t < threads.x; ++t)
    team.emplace_back([&, t] {
      thread_index.x = t;
      thread_index.y = 0;
      for (unsigned y = 0; y < blocks.y; ++y)
        for (unsigned x = 0; x < blocks.x; ++x) {
          block_index.x = x;
          block_index.y = y;
          kernel();
          block.all.arrive_and_wait();
        }
    });
  for (std::thread& thread : team) thread.join();
}

}  // namespace slmtune::testing

#define threadIdx ::slmtune::testing::thread_index
#define blockIdx ::slmtune::testing::block_index
#define blockDim ::slmtune::testing::block_size
#define gridDim ::slmtune::testing::grid_size
#define SLMTUNE_LAUNCH(kernel, blocks, threads, stream, ...) \
  ((void)(stream), ::slmtune::testing::run_blocks(blocks, threads, [&] { kernel(__VA_ARGS__); }))

inline void __syncthreads() {
  slmtune::testing::running->all.arrive_and_wait();
}

inline float __shfl_xor_sync(unsigned, float value, int lane) {
  slmtune::testing::Block& block = *slmtune::testing::running;
  const unsigned self = threadIdx.x;
  block.exchange[self] = value;
  block.warps[self / 32]->arrive_and_wait();
  const float other = block.exchange[self ^ static_cast<unsigned>(lane)];
  block.warps[self / 32]->arrive_and_wait();
  return other;
}
