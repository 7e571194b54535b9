// NormalFloat-4 on the GPU: dequantise in one pass (codes, 8-bit scales, their scales and offset in
// the same kernel), quantise, and the second quantisation of the scales. Must match nf4_blocks.cpp
// and dynamic_map.cpp bit for bit, so products and sums are never joined into one rounding.
//
// Bounds: memory. Dequantising reads 0.516 and writes 2 bytes a weight in bfloat16 (2.516 together;
// 4.516 in float32): 58.7 M weights (4096 × 14336) take at least 148 MB = 31 µs at 4.8 TB/s and
// 147 µs at 1 TB/s. Quantising reads 2 (4) and writes 0.5625 bytes a weight.
// Registers: at most 48 a thread.
#include "kernels/cuda/launch.cuh"
#include "kernels/quant/block_max.cuh"
#include "kernels/quant/nf4/nf4_cuda.h"
#include "kernels/quant/nf4/nf4_values.h"

namespace slmtune::kernels {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr unsigned kAllLanes = 0xffffffffu;
// Weights that a warp writes out at a time: 16 bytes of codes a lane.
constexpr int kTile = 1024;

// Passed by value: a block copies it into shared memory, where 16 values lie in 16 banks and no
// look-up waits for another.
struct Table {
  float values[16];
};

Table values_table() {
  Table table{};
  for (int i = 0; i < 16; ++i) table.values[i] = kNf4Values[static_cast<size_t>(i)];
  return table;
}

Table middles_table() {
  Table table{};
  for (int i = 0; i < 15; ++i) table.values[i] = kNf4Middles[static_cast<size_t>(i)];
  return table;
}

__device__ inline void set_pair(Pack<float>& pack, int i, float first, float second) {
  pack.values[i] = first;
  pack.values[i + 1] = second;
}
__device__ inline void set_pair(Pack<__nv_bfloat16>& pack, int i, float first, float second) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(first, second);
  pack.values[i] = both.x;
  pack.values[i + 1] = both.y;
}

// A block's scale as it is stored, read ahead of its use.
struct StoredScale {
  float absmax, nested;
  int code;
};

__device__ inline StoredScale read_scale(const CudaNf4Blocks& from, int64_t block) {
  if (from.nested_absmax == nullptr)
    return {static_cast<const float*>(from.absmax)[block], 0.0f, 0};
  return {0.0f, from.nested_absmax[block >> from.nested_bits],
          static_cast<const uint8_t*>(from.absmax)[block]};
}

__device__ inline float scale_of(const CudaNf4Blocks& from, const StoredScale& stored,
                                 const float* map) {
  if (from.nested_absmax == nullptr) return stored.absmax;
  return __fadd_rn(__fmul_rn(map[stored.code], stored.nested), from.offset);
}

// Where value `i` goes. A pack lies in one row.
__device__ inline int64_t place_of(const CudaNf4Blocks& from, int64_t i) {
  if (from.columns == 0) return i;
  const auto at = static_cast<uint32_t>(i), columns = static_cast<uint32_t>(from.columns);
  const uint32_t row = at / columns;
  return row * from.stride + (at - row * columns);
}

// What a lane reads of its warp's tile: 32 codes, and the scale of one of the tile's blocks.
struct Ahead {
  uint4 codes;
  StoredScale scale;
};

__device__ inline Ahead read_ahead(const CudaNf4Blocks& from, int64_t first, int lane) {
  const int blocks = kTile >> from.block_bits;  // 0 where a block is larger than a tile
  Ahead ahead;
  ahead.codes = reinterpret_cast<const uint4*>(from.packed + first / 2)[lane];
  ahead.scale = read_scale(from, (first >> from.block_bits) + (lane < blocks ? lane : 0));
  return ahead;
}

// Lane ↔ every 32nd group of 16 bytes of the tile's values, so that a warp's stores lie side by
// side; the codes change lanes through `staged`, the scales by a shuffle.
template <typename T>
__device__ inline void write_tile(const CudaNf4Blocks& from, int64_t first, const Ahead& ahead,
                                  uint4* staged, const float* value_of, const float* map, T* values,
                                  int lane) {
  constexpr int kSize = Pack<T>::kSize, kGroups = kTile / (32 * kSize);
  const float scale = scale_of(from, ahead.scale, map);
  staged[lane] = ahead.codes;
  __syncwarp();
  for (int i = 0; i < kGroups; ++i) {
    const int group = i * 32 + lane;
    const uint32_t codes = kSize == 8 ? reinterpret_cast<const uint32_t*>(staged)[group]
                                      : reinterpret_cast<const uint16_t*>(staged)[group];
    const float factor = __shfl_sync(kAllLanes, scale, (group * kSize) >> from.block_bits);
    Pack<T> result;
    for (int pair = 0; pair < kSize / 2; ++pair)
      set_pair(result, 2 * pair, __fmul_rn(value_of[codes >> (8 * pair + 4) & 15u], factor),
               __fmul_rn(value_of[codes >> (8 * pair) & 15u], factor));
    *reinterpret_cast<Pack<T>*>(values + place_of(from, first + group * kSize)) = result;
  }
}

// The last tile, and arrays that do not start at a multiple of 16 bytes.
template <typename T>
__device__ inline void write_singly(const CudaNf4Blocks& from, int64_t first, const float* value_of,
                                    const float* map, T* values, int lane) {
  const int64_t end = first + kTile < from.count ? first + kTile : from.count;
  for (int64_t i = first + lane; i < end; i += 32) {
    const int byte = from.packed[i / 2];
    const float scale = scale_of(from, read_scale(from, i >> from.block_bits), map);
    values[place_of(from, i)] =
        from_float<T>(__fmul_rn(value_of[i % 2 == 0 ? byte >> 4 : byte & 15], scale));
  }
}

// One warp ↔ a tile of kTile weights, read before the block's tables are. Shared memory: 5.1 KiB.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    dequantise_kernel(CudaNf4Blocks from, const __grid_constant__ Table table, T* values,
                      bool in_packs) {
  SLMTUNE_SHARED(float, value_of, [16]);
  SLMTUNE_SHARED(float, map, [256]);
  SLMTUNE_SHARED(uint4, staged, [kWarps][32]);
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kWarps + warp) * kTile;
  const bool is_whole = in_packs && first + kTile <= from.count;
  Ahead ahead{};
  if (is_whole) ahead = read_ahead(from, first, lane);
  if (threadIdx.x < 16) value_of[threadIdx.x] = table.values[threadIdx.x];
  if (from.map != nullptr) map[threadIdx.x] = from.map[threadIdx.x];
  __syncthreads();
  if (is_whole)
    write_tile(from, first, ahead, staged[warp], value_of, map, values, lane);
  else
    write_singly(from, first, value_of, map, values, lane);
}

// Eight weights as float32; zeros behind the end.
template <typename T>
__device__ inline void read_8(const T* weights, int64_t first, int64_t count, bool in_packs,
                              float (&x)[8]) {
  constexpr int kSize = Pack<T>::kSize;
  if (in_packs && first + 8 <= count) {
#pragma unroll
    for (int part = 0; part < 8 / kSize; ++part) {
      const Pack<T> pack = reinterpret_cast<const Pack<T>*>(weights + first)[part];
#pragma unroll
      for (int i = 0; i < kSize; ++i) x[part * kSize + i] = to_float(pack.values[i]);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] = first + i < count ? to_float(weights[first + i]) : 0.0f;
}

// The number of middles below x.
__device__ inline unsigned code_of(const float* middles, float x) {
  unsigned code = 0;
#pragma unroll
  for (unsigned half = 8; half > 0; half /= 2) code += x > middles[code + half - 1] ? half : 0u;
  return code;
}

__device__ inline void write_codes(const float (&x)[8], float scale, const float* middles,
                                   int64_t first, int64_t count, bool in_packs, uint8_t* packed) {
  unsigned word = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const unsigned code = first + i < count ? code_of(middles, __fmul_rn(x[i], scale))
                                            : static_cast<unsigned>(kNf4Zero);
    word |= code << (8 * (i / 2) + (i % 2 == 0 ? 4 : 0));
  }
  if (in_packs && first + 8 <= count) {
    *reinterpret_cast<uint32_t*>(packed + first / 2) = word;
    return;
  }
#pragma unroll
  for (int byte = 0; byte < 4; ++byte)
    if (first + 2 * byte < count)
      packed[first / 2 + byte] = static_cast<uint8_t>(word >> (8 * byte));
}

// 4 to 32 lanes ↔ one block of weights, a lane ↔ every so manieth group of 8. Weights are read
// twice, the second time out of the nearest cache.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    quantise_kernel(const T* weights, int64_t count, int block_bits,
                    const __grid_constant__ Table table, uint8_t* packed, float* absmax,
                    bool in_packs) {
  SLMTUNE_SHARED(float, middles, [16]);
  if (threadIdx.x < 15) middles[threadIdx.x] = table.values[threadIdx.x];
  __syncthreads();
  const int groups = 1 << (block_bits - 3), lanes = groups < 32 ? groups : 32;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t block = thread / lanes, first = block << block_bits;
  const int lane = static_cast<int>(thread % lanes);
  float x[8], largest = 0.0f;
  for (int group = lane; group < groups; group += lanes) {
    read_8(weights, first + group * 8, count, in_packs, x);
#pragma unroll
    for (int i = 0; i < 8; ++i) largest = fmaxf(largest, fabsf(x[i]));
  }
  for (int apart = lanes / 2; apart > 0; apart /= 2)
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, apart));
  if (first >= count) return;
  if (lane == 0) absmax[block] = largest;
  const float scale = __fdiv_rn(1.0f, fmaxf(largest, kNf4SmallestScale));
  for (int group = lane; group < groups; group += lanes) {
    const int64_t start = first + group * 8;
    if (start >= count) return;
    read_8(weights, start, count, in_packs, x);
    write_codes(x, scale, middles, start, count, in_packs, packed);
  }
}

// One block of threads ↔ 2^nested_bits scales, less `offset`: the nearest codes of the map, by
// halving, and the largest magnitude.
__global__ void __launch_bounds__(kThreads)
    quantise_scales_kernel(const float* absmax, int64_t count, float offset, const float* map,
                           int nested_bits, uint8_t* codes, float* nested_absmax) {
  SLMTUNE_SHARED(float, middles, [256]);
  if (threadIdx.x < 255)
    middles[threadIdx.x] = __fmul_rn(__fadd_rn(map[threadIdx.x], map[threadIdx.x + 1]), 0.5f);
  const int64_t first = static_cast<int64_t>(blockIdx.x) << nested_bits;
  const int64_t behind = first + (int64_t{1} << nested_bits), end = behind < count ? behind : count;
  float largest = 0.0f;
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads)
    largest = fmaxf(largest, fabsf(__fsub_rn(absmax[i], offset)));
  largest = block_max(largest);  // its barriers also make `middles` complete
  if (threadIdx.x == 0) nested_absmax[blockIdx.x] = largest;
  const float scale = largest > 0.0f ? __fdiv_rn(1.0f, largest) : 0.0f;
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
    const float x = __fmul_rn(__fsub_rn(absmax[i], offset), scale);
    unsigned code = 0;
    for (unsigned half = 128; half > 0; half /= 2) code += x > middles[code + half - 1] ? half : 0u;
    codes[i] = static_cast<uint8_t>(code);
  }
}

template <typename T>
int dequantise(const CudaNf4Blocks& from, void* values, cudaStream_t stream) {
  constexpr int64_t kBlockWeights = int64_t{kWarps} * kTile;
  const auto blocks = static_cast<unsigned>((from.count + kBlockWeights - 1) / kBlockWeights);
  const bool in_packs = moves_packs<uint8_t>(from.packed, 0) &&
                        moves_packs<T>(values, from.stride) && from.columns % Pack<T>::kSize == 0;
  SLMTUNE_LAUNCH(dequantise_kernel<T>, dim3(blocks), dim3(kThreads), stream, from, values_table(),
                 static_cast<T*>(values), in_packs);
  return cudaGetLastError();
}

template <typename T>
int quantise(const void* weights, int64_t count, int block_bits, uint8_t* packed, float* absmax,
             cudaStream_t stream) {
  const int groups = 1 << (block_bits - 3), lanes = groups < 32 ? groups : 32;
  const int64_t block_count = (count + (int64_t{1} << block_bits) - 1) >> block_bits;
  const auto blocks = static_cast<unsigned>((block_count * lanes + kThreads - 1) / kThreads);
  const bool in_packs =
      moves_packs<T>(weights, 0) && reinterpret_cast<uintptr_t>(packed) % sizeof(uint32_t) == 0;
  SLMTUNE_LAUNCH(quantise_kernel<T>, dim3(blocks), dim3(kThreads), stream,
                 static_cast<const T*>(weights), count, block_bits, middles_table(), packed, absmax,
                 in_packs);
  return cudaGetLastError();
}

// Sizes of blocks that the kernels know, and no more weights than a grid has room for.
bool fits(int64_t count, int block_bits) {
  return block_bits >= 5 && block_bits <= 12 && count >= 0 && count < (int64_t{1} << 40);
}

}  // namespace

int launch_nf4_dequantise(CudaNf4Blocks from, CudaElement element, void* values,
                          CudaStream stream) {
  const bool is_whole = (from.nested_absmax == nullptr) == (from.map == nullptr);
  const bool has_rows = from.columns == 0 ? from.stride == 0
                                          : from.columns > 0 && from.stride >= from.columns &&
                                                from.count < (int64_t{1} << 32);
  if (!fits(from.count, from.block_bits) || !is_whole || !has_rows) return cudaErrorInvalidValue;
  if (from.count == 0) return cudaSuccess;
  if (element == CudaElement::kF32) return dequantise<float>(from, values, stream);
  return dequantise<__nv_bfloat16>(from, values, stream);
}

int launch_nf4_quantise(const void* weights, CudaElement element, int64_t count, int block_bits,
                        uint8_t* packed, float* absmax, CudaStream stream) {
  if (!fits(count, block_bits)) return cudaErrorInvalidValue;
  if (count == 0) return cudaSuccess;
  if (element == CudaElement::kF32)
    return quantise<float>(weights, count, block_bits, packed, absmax, stream);
  return quantise<__nv_bfloat16>(weights, count, block_bits, packed, absmax, stream);
}

int launch_nf4_quantise_scales(const float* absmax, int64_t count, float offset, const float* map,
                               int nested_bits, uint8_t* codes, float* nested_absmax,
                               CudaStream stream) {
  if (count < 0 || nested_bits < 0 || nested_bits > 30) return cudaErrorInvalidValue;
  if (count == 0) return cudaSuccess;
  const int64_t blocks = (count + (int64_t{1} << nested_bits) - 1) >> nested_bits;
  if (blocks >= (int64_t{1} << 31)) return cudaErrorInvalidConfiguration;
  SLMTUNE_LAUNCH(quantise_scales_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads),
                 stream, absmax, count, offset, map, nested_bits, codes, nested_absmax);
  return cudaGetLastError();
}

}  // namespace slmtune::kernels
