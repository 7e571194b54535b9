// RMSNorm on the GPU: forward and backward for float32 and bfloat16, sums in float32. Must match
// rms_norm.cpp's `composed`.
//
// Mapping: one block ↔ one row (weight gradient: one block ↔ a stripe of rows), one thread ↔ every
// blockDim-th group of 16 bytes. Shared memory: 132 bytes for the block's sum. Bound: memory.
// Forward moves 2 · rows · D elements (the second read of a row comes from L1), backward 3 · rows ·
// D, so [8192, 4096] in bfloat16 is at least 134 MB = 28 µs forward and 201 MB = 42 µs backward on
// an H200 (4.8 TB/s), and 134 µs / 200 µs on a 1 TB/s card. Arithmetic is 4 operations per element:
// never the limit.
#include "kernels/cuda/launch.cuh"
#include "kernels/rms_norm/rms_norm_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr int64_t kPartialRows =
    256;  // stripes of the weight gradient: enough blocks to fill any GPU
constexpr int kColumnThreads = 128;

// Group `index` of a row: one 16-byte load.
template <typename T>
__device__ Pack<T> load(const T* row, int64_t index) {
  return reinterpret_cast<const Pack<T>*>(row)[index];
}

template <typename T>
__global__ void forward_kernel(const T* x, const T* weight, T* y, float* scale, int64_t columns,
                               float eps) {
  constexpr int kSize = Pack<T>::kSize;
  const T* in = x + blockIdx.x * columns;
  Pack<T>* out = reinterpret_cast<Pack<T>*>(y + blockIdx.x * columns);
  const int64_t groups = columns / kSize;
  float sum = 0.0f;
  for (int64_t g = threadIdx.x; g < groups; g += blockDim.x) {
    const Pack<T> values = load(in, g);
    for (int i = 0; i < kSize; ++i) sum += to_float(values.values[i]) * to_float(values.values[i]);
  }
  const float factor = rsqrtf(block_sum(sum) / static_cast<float>(columns) + eps);
  if (threadIdx.x == 0) scale[blockIdx.x] = factor;
  for (int64_t g = threadIdx.x; g < groups; g += blockDim.x) {
    const Pack<T> values = load(in, g), w = load(weight, g);
    Pack<T> result;
    for (int i = 0; i < kSize; ++i) {
      const T normed =
          from_float<T>(to_float(values.values[i]) * factor);  // cast back before the weight
      result.values[i] = from_float<T>(to_float(normed) * to_float(w.values[i]));
    }
    out[g] = result;
  }
}

// grad_x = scale · (g − n · mean(g · n)), g = grad_y · weight, n = x · scale.
template <typename T>
__global__ void input_gradient_kernel(const T* grad_y, const T* x, const T* weight,
                                      const float* scale, T* grad_x, int64_t columns) {
  constexpr int kSize = Pack<T>::kSize;
  const T *dy = grad_y + blockIdx.x * columns, *in = x + blockIdx.x * columns;
  Pack<T>* out = reinterpret_cast<Pack<T>*>(grad_x + blockIdx.x * columns);
  const int64_t groups = columns / kSize;
  const float factor = scale[blockIdx.x];
  float dot = 0.0f;
  for (int64_t g = threadIdx.x; g < groups; g += blockDim.x) {
    const Pack<T> d = load(dy, g), v = load(in, g), w = load(weight, g);
    for (int i = 0; i < kSize; ++i)
      dot += to_float(d.values[i]) * to_float(w.values[i]) * to_float(v.values[i]);
  }
  const float shared = block_sum(dot) * factor * factor / static_cast<float>(columns);
  for (int64_t g = threadIdx.x; g < groups; g += blockDim.x) {
    const Pack<T> d = load(dy, g), v = load(in, g), w = load(weight, g);
    Pack<T> result;
    for (int i = 0; i < kSize; ++i) {
      const float gradient =
          to_float(d.values[i]) * to_float(w.values[i]) - to_float(v.values[i]) * shared;
      result.values[i] = from_float<T>(factor * gradient);
    }
    out[g] = result;
  }
}

// partial[stripe, c] = Σ grad_y · n over the rows stripe, stripe + stripes, … One thread ↔ one
// column, so neighbouring threads read neighbouring elements.
template <typename T>
__global__ void weight_gradient_kernel(const T* grad_y, const T* x, const float* scale,
                                       float* partial, int64_t rows, int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t at = r * columns + column;
    sum += to_float(grad_y[at]) * to_float(from_float<T>(to_float(x[at]) * scale[r]));
  }
  partial[blockIdx.x * columns + column] = sum;
}

// grad_weight[c] = Σ_stripe partial[stripe, c], in order.
template <typename T>
__global__ void add_stripes_kernel(const float* partial, T* grad_weight, int64_t stripes,
                                   int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int64_t s = 0; s < stripes; ++s) sum += partial[s * columns + column];
  grad_weight[column] = from_float<T>(sum);
}

// Whole warps, at most 512 threads, no more than there are groups of 16 bytes.
int row_threads(int64_t columns, int size) {
  const int64_t groups = columns / size, warps = (groups + 31) / 32;
  return static_cast<int>(warps < 1 ? 32 : warps > 16 ? 512 : warps * 32);
}

template <typename T>
int forward(CudaRows rows, const void* x, const void* weight, void* y, float* scale, double eps,
            cudaStream_t stream) {
  const int threads = row_threads(rows.columns, Pack<T>::kSize);
  SLMTUNE_LAUNCH(forward_kernel<T>, dim3(static_cast<unsigned>(rows.count)), dim3(threads), stream,
                 static_cast<const T*>(x), static_cast<const T*>(weight), static_cast<T*>(y), scale,
                 rows.columns, static_cast<float>(eps));
  return cudaGetLastError();
}

template <typename T>
int backward(CudaRows rows, const T* grad_y, const T* x, const T* weight, const float* scale,
             T* grad_x, T* grad_weight, float* partial, cudaStream_t stream) {
  const int threads = row_threads(rows.columns, Pack<T>::kSize);
  SLMTUNE_LAUNCH(input_gradient_kernel<T>, dim3(static_cast<unsigned>(rows.count)), dim3(threads),
                 stream, grad_y, x, weight, scale, grad_x, rows.columns);
  if (!grad_weight) return cudaGetLastError();
  const auto stripes = static_cast<unsigned>(rms_norm_partial_rows(rows.count));
  const auto column_blocks =
      static_cast<unsigned>((rows.columns + kColumnThreads - 1) / kColumnThreads);
  SLMTUNE_LAUNCH(weight_gradient_kernel<T>, dim3(stripes, column_blocks), dim3(kColumnThreads),
                 stream, grad_y, x, scale, partial, rows.count, rows.columns);
  SLMTUNE_LAUNCH(add_stripes_kernel<T>, dim3(column_blocks), dim3(kColumnThreads), stream, partial,
                 grad_weight, static_cast<int64_t>(stripes), rows.columns);
  return cudaGetLastError();
}

// Rows start at multiples of 16 bytes only when their length is one, and a grid has at most 2³¹ − 1
// blocks.
bool fits(CudaRows rows) {
  const int64_t size = rows.element == CudaElement::kBF16 ? 8 : 4;
  return rows.columns > 0 && rows.columns % size == 0 && rows.count > 0 &&
         rows.count < (int64_t{1} << 31);
}

}  // namespace

int64_t rms_norm_partial_rows(int64_t rows) {
  return rows < kPartialRows ? rows : kPartialRows;
}

int launch_rms_norm_forward(CudaRows rows, const void* x, const void* weight, void* y, float* scale,
                            double eps, CUstream_st* stream) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  if (rows.element == CudaElement::kF32)
    return forward<float>(rows, x, weight, y, scale, eps, stream);
  return forward<__nv_bfloat16>(rows, x, weight, y, scale, eps, stream);
}

int launch_rms_norm_backward(CudaRows rows, const void* grad_y, const void* x, const void* weight,
                             const float* scale, void* grad_x, void* grad_weight, float* partial,
                             CUstream_st* stream) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  if (rows.element == CudaElement::kF32)
    return backward(rows, static_cast<const float*>(grad_y), static_cast<const float*>(x),
                    static_cast<const float*>(weight), scale, static_cast<float*>(grad_x),
                    static_cast<float*>(grad_weight), partial, stream);
  using Half = __nv_bfloat16;
  return backward(rows, static_cast<const Half*>(grad_y), static_cast<const Half*>(x),
                  static_cast<const Half*>(weight), scale, static_cast<Half*>(grad_x),
                  static_cast<Half*>(grad_weight), partial, stream);
}

}  // namespace slmtune::kernels
