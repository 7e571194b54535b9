// RMSNorm on the GPU (rms_norm.h has the formulas): forward with the residual add in the same pass,
// backward into the residual's gradient, gradient of the weight; float32 and bfloat16, sums in
// float32. Must match rms_norm.cpp's `composed`.
//
// Mapping: one block ↔ one row, one thread ↔ every blockDim-th group of 16 bytes (one number where
// rows are not made of 16 bytes); the first kKept groups of a thread stay in registers between the
// sum and the result, so rows up to 16,384 bfloat16 are read once. Weight gradient: one thread ↔
// one column of a stripe of rows, so that neighbours read neighbours.
// Shared memory: 128 bytes for the block's sum. Registers: at most 64 a thread.
//
// Bound: memory. rows · D elements moved: forward 2 (with the add 4), backward 3 (into a base 4),
// weight gradient 2. So [8192, 4096] in bfloat16 takes at least 134 MB forward, 268 MB with the
// add, 201 MB backward: 31, 62 and 47 µs at 4.3 TB/s, 133, 266 and 200 µs at 1,008 GB/s.
// Arithmetic is under 8 operations per element: never the limit.
#include "kernels/cuda/launch.cuh"
#include "kernels/rms_norm/rms_norm_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr int kMaxThreads = 512;
constexpr int kKept = 4;
constexpr int kBackwardBlocks = 2;     // of one multiprocessor at a time, so 64 registers a thread
constexpr int64_t kPartialRows = 256;  // stripes of the weight gradient: blocks for any GPU
constexpr int kColumnThreads = 128;

// What the weight is added to.
template <bool kIsGemma>
__device__ float effective(float weight) {
  return kIsGemma ? 1.0f + weight : weight;
}

// Llama rounds the norm to T before the weight, Gemma only the product.
template <bool kIsGemma, typename T>
__device__ float rounded_norm(float norm) {
  return kIsGemma ? norm : to_float(from_float<T>(norm));
}

template <bool kIsGemma, typename T, int kSize>
__device__ Pack<T, kSize> normed(const Pack<T, kSize>& x, const Pack<T, kSize>& weight,
                                 float factor) {
  Pack<T, kSize> result;
  for (int i = 0; i < kSize; ++i)
    result.values[i] = from_float<T>(rounded_norm<kIsGemma, T>(to_float(x.values[i]) * factor) *
                                     effective<kIsGemma>(to_float(weight.values[i])));
  return result;
}

// Group `g` of the row, after the addend was added to it in place.
template <typename T, int kSize>
__device__ Pack<T, kSize> summed(T* x, const T* addend, int64_t g) {
  Pack<T, kSize> values = load_pack<kSize>(x, g);
  if (addend == nullptr) return values;
  const Pack<T, kSize> more = load_pack<kSize>(addend, g);
  for (int i = 0; i < kSize; ++i)
    values.values[i] = from_float<T>(to_float(values.values[i]) + to_float(more.values[i]));
  store_pack(x, g, values);
  return values;
}

template <typename T, int kSize>
__device__ float square_sum(const Pack<T, kSize>& pack) {
  float sum = 0.0f;
  for (int i = 0; i < kSize; ++i) sum += to_float(pack.values[i]) * to_float(pack.values[i]);
  return sum;
}

template <bool kIsGemma, typename T, int kSize>
__global__ void __launch_bounds__(kMaxThreads)
    forward_kernel(T* x, const T* addend, const T* weight, T* y, float* scale, int64_t columns,
                   float eps) {
  const int64_t row = blockIdx.x, groups = columns / kSize;
  T *in = x + row * columns, *out = y + row * columns;
  const T* more = addend == nullptr ? nullptr : addend + row * columns;
  const int64_t threads = blockDim.x, first = threadIdx.x;
  Pack<T, kSize> kept[kKept];
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    const int64_t g = first + k * threads;
    if (g >= groups) continue;
    kept[k] = summed<T, kSize>(in, more, g);
    sum += square_sum(kept[k]);
  }
  for (int64_t g = first + kKept * threads; g < groups; g += threads)
    sum += square_sum(summed<T, kSize>(in, more, g));
  const float factor = 1.0f / sqrtf(block_sum(sum) / static_cast<float>(columns) + eps);
  if (threadIdx.x == 0) scale[row] = factor;
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    const int64_t g = first + k * threads;
    if (g < groups)
      store_pack(out, g, normed<kIsGemma>(kept[k], load_pack<kSize>(weight, g), factor));
  }
  for (int64_t g = first + kKept * threads; g < groups; g += threads)
    store_pack(out, g,
               normed<kIsGemma>(load_pack<kSize>(static_cast<const T*>(in), g),
                                load_pack<kSize>(weight, g), factor));
}

// Rows of one backward pass. out = base + scale · (g − n · mean(g · n)) with g = grad_y · w and
// n = x · scale.
template <typename T>
struct BackwardRows {
  const T *grad_y, *x, *weight, *base;
  T* out;
};

// The groups of one row that the gradient is made of; the weight's, the same for all rows, are read
// again from the cache instead of being kept.
template <typename T, int kSize>
struct GradientPacks {
  Pack<T, kSize> grad_y, x;
};

template <typename T, int kSize>
__device__ GradientPacks<T, kSize> load_packs(const BackwardRows<T>& rows, int64_t offset,
                                              int64_t g) {
  return {load_pack<kSize>(rows.grad_y + offset, g), load_pack<kSize>(rows.x + offset, g)};
}

template <bool kIsGemma, typename T, int kSize>
__device__ float product_sum(const GradientPacks<T, kSize>& packs, const T* weight, int64_t g) {
  const Pack<T, kSize> w = load_pack<kSize>(weight, g);
  float dot = 0.0f;
  for (int i = 0; i < kSize; ++i)
    dot += to_float(packs.grad_y.values[i]) * effective<kIsGemma>(to_float(w.values[i])) *
           to_float(packs.x.values[i]);
  return dot;
}

template <bool kIsGemma, typename T, int kSize>
__device__ void write_gradient(const BackwardRows<T>& rows, int64_t offset, int64_t g,
                               const GradientPacks<T, kSize>& packs, float factor, float shared) {
  const Pack<T, kSize> w = load_pack<kSize>(rows.weight, g);
  Pack<T, kSize> result;
  if (rows.base != nullptr) result = load_pack<kSize>(rows.base + offset, g);
  for (int i = 0; i < kSize; ++i) {
    const float incoming =
        to_float(packs.grad_y.values[i]) * effective<kIsGemma>(to_float(w.values[i]));
    const float gradient = factor * (incoming - to_float(packs.x.values[i]) * shared);
    const float before = rows.base != nullptr ? to_float(result.values[i]) : 0.0f;
    result.values[i] = from_float<T>(before + gradient);
  }
  store_pack(rows.out + offset, g, result);
}

template <bool kIsGemma, typename T, int kSize>
__global__ void __launch_bounds__(kMaxThreads, kBackwardBlocks)
    backward_kernel(BackwardRows<T> rows, const float* scale, int64_t columns) {
  constexpr int kHeld = kKept / 2;  // two packs each
  const int64_t offset = blockIdx.x * columns, groups = columns / kSize;
  const int64_t threads = blockDim.x, first = threadIdx.x;
  const float factor = scale[blockIdx.x];
  GradientPacks<T, kSize> kept[kHeld];
  float dot = 0.0f;
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const int64_t g = first + k * threads;
    if (g >= groups) continue;
    kept[k] = load_packs<T, kSize>(rows, offset, g);
    dot += product_sum<kIsGemma>(kept[k], rows.weight, g);
  }
#pragma unroll 1
  for (int64_t g = first + kHeld * threads; g < groups; g += threads)
    dot += product_sum<kIsGemma>(load_packs<T, kSize>(rows, offset, g), rows.weight, g);
  const float shared = block_sum(dot) * factor * factor / static_cast<float>(columns);
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const int64_t g = first + k * threads;
    if (g < groups) write_gradient<kIsGemma>(rows, offset, g, kept[k], factor, shared);
  }
#pragma unroll 1
  for (int64_t g = first + kHeld * threads; g < groups; g += threads)
    write_gradient<kIsGemma>(rows, offset, g, load_packs<T, kSize>(rows, offset, g), factor,
                             shared);
}

// partial[stripe, c] = Σ grad_y · n over the rows stripe, stripe + stripes, …
template <bool kIsGemma, typename T>
__global__ void __launch_bounds__(kColumnThreads)
    weight_gradient_kernel(const T* grad_y, const T* x, const float* scale, float* partial,
                           int64_t rows, int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t at = r * columns + column;
    sum += to_float(grad_y[at]) * rounded_norm<kIsGemma, T>(to_float(x[at]) * scale[r]);
  }
  partial[blockIdx.x * columns + column] = sum;
}

// grad_weight[c] = Σ_stripe partial[stripe, c], in order.
template <typename T>
__global__ void __launch_bounds__(kColumnThreads)
    add_stripes_kernel(const float* partial, T* grad_weight, int64_t stripes, int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0.0f;
  for (int64_t s = 0; s < stripes; ++s) sum += partial[s * columns + column];
  grad_weight[column] = from_float<T>(sum);
}

// Whole warps, no more than there are groups for.
unsigned row_threads(int64_t columns, int size) {
  const int64_t warps = (columns / size + 31) / 32, most = kMaxThreads / 32;
  return static_cast<unsigned>((warps < most ? warps : most) * 32);
}

template <bool kIsGemma, typename T, int kSize>
int forward_sized(CudaRows rows, T* x, const T* addend, const T* weight, T* y, float* scale,
                  double eps, cudaStream_t stream) {
  const auto rms_norm_forward = forward_kernel<kIsGemma, T, kSize>;
  SLMTUNE_LAUNCH(rms_norm_forward, static_cast<unsigned>(rows.count),
                 row_threads(rows.columns, kSize), stream, x, addend, weight, y, scale,
                 rows.columns, static_cast<float>(eps));
  return cudaGetLastError();
}

template <bool kIsGemma, typename T>
int forward(CudaRows rows, T* x, const T* addend, const T* weight, T* y, float* scale, double eps,
            cudaStream_t stream) {
  bool is_packed = true;
  const T* const arrays[] = {x, addend, weight, y};  // nvcc takes no list in the loop itself
  for (const T* array : arrays)
    is_packed = is_packed && moves_packs<T>(array, rows.columns);
  if (is_packed)
    return forward_sized<kIsGemma, T, Pack<T>::kSize>(rows, x, addend, weight, y, scale, eps,
                                                      stream);
  return forward_sized<kIsGemma, T, 1>(rows, x, addend, weight, y, scale, eps, stream);
}

template <bool kIsGemma, typename T, int kSize>
int backward_sized(CudaRows shape, const BackwardRows<T>& rows, const float* scale,
                   cudaStream_t stream) {
  const auto rms_norm_backward = backward_kernel<kIsGemma, T, kSize>;
  SLMTUNE_LAUNCH(rms_norm_backward, static_cast<unsigned>(shape.count),
                 row_threads(shape.columns, kSize), stream, rows, scale, shape.columns);
  return cudaGetLastError();
}

template <bool kIsGemma, typename T>
int backward(CudaRows shape, const BackwardRows<T>& rows, const float* scale, cudaStream_t stream) {
  bool is_packed = true;
  const T* const arrays[] = {rows.grad_y, rows.x, rows.weight, rows.base, rows.out};
  for (const T* array : arrays)
    is_packed = is_packed && moves_packs<T>(array, shape.columns);
  if (is_packed) return backward_sized<kIsGemma, T, Pack<T>::kSize>(shape, rows, scale, stream);
  return backward_sized<kIsGemma, T, 1>(shape, rows, scale, stream);
}

template <bool kIsGemma, typename T>
int weight_gradient(CudaRows rows, const T* grad_y, const T* x, const float* scale, T* grad_weight,
                    float* partial, cudaStream_t stream) {
  const int64_t stripes = rms_norm_partial_rows(rows.count);
  const auto column_blocks =
      static_cast<unsigned>((rows.columns + kColumnThreads - 1) / kColumnThreads);
  const auto rms_norm_weight_gradient = weight_gradient_kernel<kIsGemma, T>;
  SLMTUNE_LAUNCH(rms_norm_weight_gradient, dim3(static_cast<unsigned>(stripes), column_blocks),
                 kColumnThreads, stream, grad_y, x, scale, partial, rows.count, rows.columns);
  SLMTUNE_LAUNCH(add_stripes_kernel<T>, column_blocks, kColumnThreads, stream, partial, grad_weight,
                 stripes, rows.columns);
  return cudaGetLastError();
}

// A grid has at most 2³¹ − 1 blocks.
bool fits(CudaRows rows) {
  return rows.columns > 0 && rows.count > 0 && rows.count < (int64_t{1} << 31);
}

template <bool kIsGemma>
struct Form {};

// body(T{}, Form{}) of the rows' element and form.
template <typename Body>
int with_types(CudaRows rows, CudaNormForm form, const Body& body) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  const bool is_gemma = form == CudaNormForm::kGemma;
  if (rows.element == CudaElement::kF32)
    return is_gemma ? body(float{}, Form<true>{}) : body(float{}, Form<false>{});
  return is_gemma ? body(__nv_bfloat16{}, Form<true>{}) : body(__nv_bfloat16{}, Form<false>{});
}

// What with_types calls: nvcc allows no kernel launch inside a generic lambda.
struct ForwardCall {
  CudaRows rows;
  void* x;
  const void *addend, *weight;
  void* y;
  float* scale;
  double eps;
  cudaStream_t stream;

  template <typename T, bool kIsGemma>
  int operator()(T, Form<kIsGemma>) const {
    return forward<kIsGemma>(rows, static_cast<T*>(x), static_cast<const T*>(addend),
                             static_cast<const T*>(weight), static_cast<T*>(y), scale, eps, stream);
  }
};

struct BackwardCall {
  CudaRows rows;
  const void *grad_y, *x, *weight, *base;
  void* out;
  const float* scale;
  cudaStream_t stream;

  template <typename T, bool kIsGemma>
  int operator()(T, Form<kIsGemma>) const {
    const BackwardRows<T> arrays{static_cast<const T*>(grad_y), static_cast<const T*>(x),
                                 static_cast<const T*>(weight), static_cast<const T*>(base),
                                 static_cast<T*>(out)};
    return backward<kIsGemma>(rows, arrays, scale, stream);
  }
};

struct WeightGradientCall {
  CudaRows rows;
  const void *grad_y, *x;
  const float* scale;
  void* grad_weight;
  float* partial;
  cudaStream_t stream;

  template <typename T, bool kIsGemma>
  int operator()(T, Form<kIsGemma>) const {
    return weight_gradient<kIsGemma>(rows, static_cast<const T*>(grad_y), static_cast<const T*>(x),
                                     scale, static_cast<T*>(grad_weight), partial, stream);
  }
};

}  // namespace

int launch_rms_norm_forward(CudaRows rows, CudaNormForm form, void* x, const void* addend,
                            const void* weight, void* y, float* scale, double eps,
                            CudaStream stream) {
  return with_types(rows, form, ForwardCall{rows, x, addend, weight, y, scale, eps, stream});
}

int launch_rms_norm_backward(CudaRows rows, CudaNormForm form, const void* grad_y, const void* x,
                             const void* weight, const float* scale, const void* base, void* out,
                             CudaStream stream) {
  return with_types(rows, form, BackwardCall{rows, grad_y, x, weight, base, out, scale, stream});
}

int64_t rms_norm_partial_rows(int64_t rows) {
  return rows < kPartialRows ? rows : kPartialRows;
}

int launch_rms_norm_weight_gradient(CudaRows rows, CudaNormForm form, const void* grad_y,
                                    const void* x, const float* scale, void* grad_weight,
                                    float* partial, CudaStream stream) {
  return with_types(rows, form,
                    WeightGradientCall{rows, grad_y, x, scale, grad_weight, partial, stream});
}

}  // namespace slmtune::kernels
