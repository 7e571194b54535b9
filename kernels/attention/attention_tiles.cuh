// What the tensor-core kernels of attention share: tiles of q, k, v in shared memory, the fragments
// that warps take from them, capped scores. bfloat16 in, float32 sums.
#pragma once
#include "kernels/attention/attention_cuda.h"
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/tensor_core.cuh"

namespace slmtune::kernels {

using Bf16 = __nv_bfloat16;

// Elements from row to row of a tile: an odd number of 16-byte pieces, so that eight rows of one
// column lie in different banks.
template <int kWidth>
constexpr int kPitch = kWidth + 8;

template <int kWidth>
constexpr int64_t tile_bytes(int rows) {
  return static_cast<int64_t>(rows) * kPitch<kWidth> * static_cast<int64_t>(sizeof(Bf16));
}

// One head of one row of the micro-batch: token 0 is the row's first.
struct HeadRows {
  const Bf16* data;
  int64_t stride;  // from token to token
};
__device__ inline HeadRows head_rows(const CudaHeads& x, int64_t start, int64_t head) {
  return {static_cast<const Bf16*>(x.data) + start * x.token_stride + head * x.head_stride,
          x.token_stride};
}

// Starts the copies of tokens first … first+kRows-1 into `tile` [kRows][kPitch]; those from `end`
// on become zeros. All threads of the block.
template <int kWidth, int kRows, int kThreads>
__device__ inline void copy_rows(Bf16* tile, const HeadRows& from, int first, int end) {
  constexpr int kPieces = kWidth / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kThreads) {
    const int row = i / kPieces, column = i % kPieces * 8;
    const bool exists = first + row < end;
    const int64_t token = exists ? first + row : 0;
    copy_async(tile + row * kPitch<kWidth> + column, from.data + token * from.stride + column,
               exists);
  }
}

__device__ inline int lane_of_warp() {
  return static_cast<int>(threadIdx.x) % 32;
}

// A [16 × 16]: rows row …, columns column … of a tile.
template <int kWidth>
__device__ inline FragmentA rows_of_tile(const Bf16* tile, int row, int column) {
  const int lane = lane_of_warp();
  FragmentA a;
  load_matrices(a.words, tile + (row + lane % 16) * kPitch<kWidth> + column + lane / 16 * 8);
  return a;
}

struct TwoB {
  FragmentB b[2];
};

// B [16 × 8] twice, B[k, n] = tile[n, k]: columns n from row `row` and from row + 8, k from
// `column`.
template <int kWidth>
__device__ inline TwoB columns_of_tile(const Bf16* tile, int row, int column) {
  const int lane = lane_of_warp();
  uint32_t words[4];
  load_matrices(
      words, tile + (row + lane % 8 + lane / 16 * 8) * kPitch<kWidth> + column + lane / 8 % 2 * 8);
  return {{{{words[0], words[1]}}, {{words[2], words[3]}}}};
}

// B [16 × 8] twice, B[k, n] = tile[k, n]: k from `row`, n from `column` and from column + 8.
template <int kWidth>
__device__ inline TwoB turned_tile(const Bf16* tile, int row, int column) {
  const int lane = lane_of_warp();
  uint32_t words[4];
  load_matrices_transposed(words,
                           tile + (row + lane % 16) * kPitch<kWidth> + column + lane / 16 * 8);
  return {{{{words[0], words[1]}}, {{words[2], words[3]}}}};
}

// sums [16 × 8·kTiles] = rows row … row+15 of `a` · (rows of `b`)ᵀ, over kWidth columns.
template <int kWidth, int kTiles>
__device__ inline void products(Accumulator (&sums)[kTiles], const Bf16* a, int row,
                                const Bf16* b) {
#pragma unroll
  for (int n = 0; n < kTiles; ++n) sums[n] = {{0.0f, 0.0f, 0.0f, 0.0f}};
#pragma unroll 4
  for (int column = 0; column < kWidth; column += 16) {
    const FragmentA rows = rows_of_tile<kWidth>(a, row, column);
#pragma unroll
    for (int n = 0; n < kTiles; n += 2) {
      const TwoB columns = columns_of_tile<kWidth>(b, n * 8, column);
      multiply_add(sums[n], rows, columns.b[0]);
      multiply_add(sums[n + 1], rows, columns.b[1]);
    }
  }
}

// sums [16 × kWidth] += x [16 × 8·kTiles], rounded to bfloat16, · tile [8·kTiles × kWidth].
template <int kWidth, int kTiles>
__device__ inline void add_product(Accumulator (&sums)[kWidth / 8], const Accumulator (&x)[kTiles],
                                   const Bf16* tile) {
#pragma unroll
  for (int k = 0; k < kTiles / 2; ++k) {
    const float *low = x[2 * k].values, *high = x[2 * k + 1].values;
    const FragmentA a = {{packed_bf16(low[0], low[1]), packed_bf16(low[2], low[3]),
                          packed_bf16(high[0], high[1]), packed_bf16(high[2], high[3])}};
#pragma unroll
    for (int n = 0; n < kWidth / 8; n += 2) {
      const TwoB b = turned_tile<kWidth>(tile, k * 16, n * 8);
      multiply_add(sums[n], a, b.b[0]);
      multiply_add(sums[n + 1], a, b.b[1]);
    }
  }
}

// Place of value `i` of tile `n` of the running thread's accumulators.
__device__ inline int row_in_tile(int i) {
  return lane_of_warp() / 4 + i / 2 * 8;
}
__device__ inline int column_in_tile(int n, int i) {
  return n * 8 + lane_of_warp() % 4 * 2 + i % 2;
}

// Rows row … row+15 of sums · factors[row / 8 of the sixteen] to `target`, those before `end`.
template <int kWidth>
__device__ inline void store_sums(const Accumulator (&sums)[kWidth / 8], const float (&factors)[2],
                                  Bf16* target, int64_t stride, int row, int end) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int at = row + row_in_tile(2 * half);
    if (at >= end) continue;
    Bf16* out = target + at * stride;
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n) {
      const float low = sums[n].values[2 * half] * factors[half];
      const float high = sums[n].values[2 * half + 1] * factors[half];
      *reinterpret_cast<__nv_bfloat162*>(out + column_in_tile(n, 0)) =
          __floats2bfloat162_rn(low, high);
    }
  }
}

// tanh to within 1e-6: what bfloat16 products carry is coarser.
__device__ inline float fast_tanh(float x) {
  return 1.0f - __fdividef(2.0f, 1.0f + __expf(2.0f * x));
}

__device__ inline bool is_seen(int query, int key, int window) {
  return key <= query && (window == 0 || key > query - window);
}

// One block's part of a launch: a stretch of one row of the micro-batch.
struct BlockPart {
  int64_t start;  // of the row, among all tokens
  int length;     // of the row
  int first;      // place in the row where the block's stretch begins; >= length: nothing to do
};

// blockIdx.x counts stretches of `size` places of the longest row, row after row. The last stretch
// of a row, which sees most, comes first.
__device__ inline BlockPart part_of_block(const CudaAttentionCase& shape, int size) {
  const int64_t stretches = (shape.longest + size - 1) / size;
  const int64_t row = blockIdx.x / stretches, stretch = stretches - 1 - blockIdx.x % stretches;
  const int64_t start = shape.offsets[row];
  return {start, static_cast<int>(shape.offsets[row + 1] - start),
          static_cast<int>(stretch * size)};
}

inline dim3 blocks_for(const CudaAttentionCase& shape, int size, int64_t heads) {
  const int64_t stretches = (shape.longest + size - 1) / size;
  return dim3(static_cast<unsigned>(stretches * shape.rows), static_cast<unsigned>(heads));
}

// What the tensor-core kernels take.
bool takes_tiles(const CudaAttentionCase& shape, const CudaAttentionInputs& in);

}  // namespace slmtune::kernels
