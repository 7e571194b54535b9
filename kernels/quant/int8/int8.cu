// Row-wise 8-bit weights on the GPU: dequantise and quantise. Must match int8_rows.cpp bit for bit.
//
// Mapping: one block of threads ↔ one row, one thread ↔ every blockDim-th group of 16 bytes of the
// values. Bounds: memory. Dequantising reads 1 and writes 2 bytes a weight in bfloat16 (5 together
// in float32): 58.7 M weights take at least 176 MB = 37 µs at 4.8 TB/s. Quantising reads 2 (4)
// bytes, the second time out of cache, and writes 1.
// Registers: at most 48 a thread.
#include "kernels/cuda/launch.cuh"
#include "kernels/quant/block_max.cuh"
#include "kernels/quant/int8/int8_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr float kLargestCode = 127.0f;
// Below this the quotient would overflow; such a row is as good as zeros.
constexpr float kSmallestMagnitude = 1e-36f;
constexpr int kMostThreads = 512;

// The codes of one Pack<T> of values.
template <typename T>
struct alignas(Pack<T>::kSize) Codes {
  int8_t values[Pack<T>::kSize];
};

template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    dequantise_kernel(const int8_t* codes, const float* absmax, T* values, int64_t columns,
                      int64_t stride, bool in_packs) {
  constexpr int kSize = Pack<T>::kSize;
  const float step = __fdiv_rn(absmax[blockIdx.x], kLargestCode);
  const int8_t* in = codes + static_cast<int64_t>(blockIdx.x) * columns;
  T* out = values + static_cast<int64_t>(blockIdx.x) * stride;
  const int64_t groups = in_packs ? columns / kSize : 0;
  for (int64_t group = threadIdx.x; group < groups; group += blockDim.x) {
    const Codes<T> read = reinterpret_cast<const Codes<T>*>(in)[group];
    Pack<T> result;
    for (int i = 0; i < kSize; ++i)
      result.values[i] = from_float<T>(__fmul_rn(static_cast<float>(read.values[i]), step));
    reinterpret_cast<Pack<T>*>(out)[group] = result;
  }
  for (int64_t i = groups * kSize + threadIdx.x; i < columns; i += blockDim.x)
    out[i] = from_float<T>(__fmul_rn(static_cast<float>(in[i]), step));
}

// To the nearest, ties to even.
__device__ inline int8_t code_of(float value, float scale) {
  return static_cast<int8_t>(__float2int_rn(__fmul_rn(value, scale)));
}

template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    quantise_kernel(const T* weights, int8_t* codes, float* absmax, int64_t columns,
                    bool in_packs) {
  constexpr int kSize = Pack<T>::kSize;
  const T* in = weights + static_cast<int64_t>(blockIdx.x) * columns;
  int8_t* out = codes + static_cast<int64_t>(blockIdx.x) * columns;
  const int64_t groups = in_packs ? columns / kSize : 0;
  float largest = 0.0f;
  for (int64_t group = threadIdx.x; group < groups; group += blockDim.x) {
    const Pack<T> pack = reinterpret_cast<const Pack<T>*>(in)[group];
    for (int i = 0; i < kSize; ++i) largest = fmaxf(largest, fabsf(to_float(pack.values[i])));
  }
  for (int64_t i = groups * kSize + threadIdx.x; i < columns; i += blockDim.x)
    largest = fmaxf(largest, fabsf(to_float(in[i])));
  largest = block_max(largest);
  if (threadIdx.x == 0) absmax[blockIdx.x] = largest;
  const float scale = largest > kSmallestMagnitude ? __fdiv_rn(kLargestCode, largest) : 0.0f;
  for (int64_t group = threadIdx.x; group < groups; group += blockDim.x) {
    const Pack<T> pack = reinterpret_cast<const Pack<T>*>(in)[group];
    Codes<T> result;
    for (int i = 0; i < kSize; ++i) result.values[i] = code_of(to_float(pack.values[i]), scale);
    reinterpret_cast<Codes<T>*>(out)[group] = result;
  }
  for (int64_t i = groups * kSize + threadIdx.x; i < columns; i += blockDim.x)
    out[i] = code_of(to_float(in[i]), scale);
}

// Whole warps, no more than there are groups of 16 bytes.
template <typename T>
dim3 row_threads(int64_t columns) {
  const int64_t warps = (columns / Pack<T>::kSize + 31) / 32;
  return dim3(warps < 1                   ? 32u
              : warps > kMostThreads / 32 ? kMostThreads
                                          : static_cast<unsigned>(warps) * 32u);
}

template <typename T>
bool in_packs(const void* values, const int8_t* codes, int64_t columns) {
  return moves_packs<T>(values, columns) &&
         reinterpret_cast<uintptr_t>(codes) % static_cast<uintptr_t>(Pack<T>::kSize) == 0;
}

template <typename T>
int dequantise(CudaRows rows, const int8_t* codes, const float* absmax, void* values,
               int64_t stride, cudaStream_t stream) {
  const bool moves = in_packs<T>(values, codes, rows.columns) && moves_packs<T>(values, stride);
  SLMTUNE_LAUNCH(dequantise_kernel<T>, dim3(static_cast<unsigned>(rows.count)),
                 row_threads<T>(rows.columns), stream, codes, absmax, static_cast<T*>(values),
                 rows.columns, stride, moves);
  return cudaGetLastError();
}

template <typename T>
int quantise(CudaRows rows, const void* weights, int8_t* codes, float* absmax,
             cudaStream_t stream) {
  SLMTUNE_LAUNCH(quantise_kernel<T>, dim3(static_cast<unsigned>(rows.count)),
                 row_threads<T>(rows.columns), stream, static_cast<const T*>(weights), codes,
                 absmax, rows.columns, in_packs<T>(weights, codes, rows.columns));
  return cudaGetLastError();
}

bool fits(CudaRows rows) {
  return rows.columns >= 0 && rows.count >= 0 && rows.count < (int64_t{1} << 31);
}

}  // namespace

int launch_int8_dequantise(CudaRows rows, const int8_t* codes, const float* absmax, void* values,
                           int64_t stride, CudaStream stream) {
  if (!fits(rows) || stride < rows.columns) return cudaErrorInvalidValue;
  if (rows.count == 0 || rows.columns == 0) return cudaSuccess;
  if (rows.element == CudaElement::kF32)
    return dequantise<float>(rows, codes, absmax, values, stride, stream);
  return dequantise<__nv_bfloat16>(rows, codes, absmax, values, stride, stream);
}

int launch_int8_quantise(CudaRows rows, const void* weights, int8_t* codes, float* absmax,
                         CudaStream stream) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  if (rows.count == 0) return cudaSuccess;
  if (rows.element == CudaElement::kF32)
    return quantise<float>(rows, weights, codes, absmax, stream);
  return quantise<__nv_bfloat16>(rows, weights, codes, absmax, stream);
}

}  // namespace slmtune::kernels
