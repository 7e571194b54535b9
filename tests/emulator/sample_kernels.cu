// The emulator's own samples. Registers: at most 64 a thread.
#include "tests/emulator/sample_kernels.h"

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/tensor_core.cuh"

namespace slmtune::emulator_tests {
namespace {

constexpr int kThreads = 96;

__global__ void count_places(int* places, int threads_in_grid) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned place = block * blockDim.x * blockDim.y * blockDim.z + thread;
  if (static_cast<int>(place) < threads_in_grid) places[place] += 1;
}

__global__ void warp_words(int* results) {
  constexpr unsigned kAll = 0xFFFFFFFFu;
  const int lane = static_cast<int>(threadIdx.x);
  int* own = results + lane * 7;
  own[0] = __shfl_sync(kAll, lane, 5);
  own[1] = __shfl_sync(kAll, lane, 3, 8);
  own[2] = __shfl_up_sync(kAll, lane, 2);
  own[3] = __shfl_down_sync(kAll, lane, 4, 16);
  own[4] = static_cast<int>(__ballot_sync(kAll, lane % 3 == 0));
  own[5] = __any_sync(kAll, lane == 40) + 2 * __all_sync(kAll, lane < 32);
  own[6] = __syncthreads_count(lane < 10);
}

__global__ void __launch_bounds__(kThreads) sums(const float* values, int count, float* sum,
                                                 float* of_block, unsigned* counter, float* last) {
  SLMTUNE_SHARED(bool, is_last, );
  const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const float value = at < count ? values[at] : 0.0f;
  if (at < count) atomicAdd(sum, value);
  const float total = kernels::block_sum(value);
  if (threadIdx.x == 0) {
    of_block[blockIdx.x] = total;
    __threadfence();
    is_last = atomicAdd(counter, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last || threadIdx.x != 0) return;
  float all = 0.0f;
  for (unsigned block = 0; block < gridDim.x; ++block) all += of_block[block];
  *last = all;
}

// Tile `tile` of x into `buffer`, zeros behind its end.
__device__ void start_copy(float* buffer, const float* x, int count, int tile) {
  const int first = (tile * kThreads + static_cast<int>(threadIdx.x)) * 4;
  kernels::copy_async(buffer + threadIdx.x * 4, x + first, first + 4 <= count);
  kernels::commit_copies();
}

__global__ void __launch_bounds__(kThreads) copy_tiles(const float* x, float* y, int count) {
  SLMTUNE_DYNAMIC_SHARED(float, buffers);
  const int tile_size = kThreads * 4, tiles = (count + tile_size - 1) / tile_size;
  start_copy(buffers, x, count, 0);
  for (int tile = 0; tile < tiles; ++tile) {
    start_copy(buffers + (tile + 1) % 2 * tile_size, x, count, tile + 1);
    kernels::wait_for_copies<1>();
    __syncthreads();
    const float* here = buffers + tile % 2 * tile_size;
    for (int i = static_cast<int>(threadIdx.x); i < tile_size; i += kThreads) {
      const int at = tile * tile_size + i;
      if (at < count) y[at] = at < count / 4 * 4 ? here[i] : x[at];
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(32)
    product(const uint16_t* a, const uint16_t* b, bool from_columns, float* c) {
  SLMTUNE_SHARED(uint16_t, left, [16 * 16]);
  SLMTUNE_SHARED(uint16_t, right, [16 * 8]);
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 16 * 16; i += 32) left[i] = a[i];
  for (int i = lane; i < 16 * 8; i += 32) right[i] = b[i];
  __syncwarp();
  kernels::FragmentA fragment_a;
  kernels::FragmentB fragment_b;
  // Matrices 0..3: rows 0 and 8 of columns 0, then of columns 8.
  kernels::load_matrices(fragment_a.words, left + lane % 16 * 16 + lane / 16 * 8);
  if (from_columns)
    kernels::load_matrices(fragment_b.words, right + lane % 8 * 16 + lane / 8 % 2 * 8);
  else
    kernels::load_matrices_transposed(fragment_b.words, right + lane % 16 * 8);
  kernels::Accumulator sums{};
  kernels::multiply_add(sums, fragment_a, fragment_b);
  const int row = lane / 4, column = lane % 4 * 2;
  for (int i = 0; i < 4; ++i) c[(row + i / 2 * 8) * 8 + column + i % 2] = sums.values[i];
}

}  // namespace

int launch_count_places(int* places, int threads_in_grid, CudaStream stream) {
  SLMTUNE_LAUNCH(count_places, dim3(2, 3, 2), dim3(5, 2, 3), stream, places, threads_in_grid);
  return cudaGetLastError();
}

int launch_warp_words(int* results, CudaStream stream) {
  SLMTUNE_LAUNCH(warp_words, 1, 32, stream, results);
  return cudaGetLastError();
}

int launch_sums(const float* values, int count, float* sum, float* of_block, unsigned* counter,
                float* last, CudaStream stream) {
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  SLMTUNE_LAUNCH(sums, blocks, kThreads, stream, values, count, sum, of_block, counter, last);
  return cudaGetLastError();
}

int launch_copy(const float* x, float* y, int count, CudaStream stream) {
  SLMTUNE_LAUNCH_SHARED(copy_tiles, 1, kThreads, 2 * kThreads * 16, stream, x, y, count);
  return cudaGetLastError();
}

int launch_product(const uint16_t* a, const uint16_t* b, bool from_columns, float* c,
                   CudaStream stream) {
  SLMTUNE_LAUNCH(product, 1, 32, stream, a, b, from_columns, c);
  return cudaGetLastError();
}

}  // namespace slmtune::emulator_tests
