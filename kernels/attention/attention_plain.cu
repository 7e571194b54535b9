// Attention on the GPU without tensor cores: what the fused kernels leave over (attention_path.h),
// float32 above all. Reference: attention_cpu.cpp; any head up to 256, any alignment.
//
// Mapping: one warp ↔ one query of one head (dk, dv: one key of one key head). 32 keys at a time:
// first lane ↔ key, each forms its score; then lane ↔ every 32nd channel, each adds up what the
// keys give. The softmax runs along (maximum and sum move on with every 32 keys, Milakov and
// Gimelshein 2018), so no score is stored. The backward pass computes scores again, in two kernels,
// so that nothing is added atomically: the same bits in every run.
//
// Registers: at most 96 a thread, key_gradient_kernel 128.
// Shared memory: 4 warps · 2 · 256 floats = 8 KiB. Bound: arithmetic, forward 4 · hd operations per
// visible pair and head, backward 10 · hd needed, 14 · hd done. In practice the first cache: a lane
// reads a key of its own, 4 bytes per multiply-add, at most a quarter of the float32 rate.
#include "kernels/attention/attention_cuda.h"
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps;
constexpr int kWidest = 256, kChannels = kWidest / 32;  // channels of a lane
constexpr unsigned kAllLanes = 0xffffffffu;

template <typename T>
struct Strided {
  T* data;
  int64_t token_stride, head_stride;
  __device__ T* at(int64_t token, int64_t head) const {
    return data + token * token_stride + head * head_stride;
  }
};

template <typename T>
struct Inputs {
  Strided<const T> q, k, v;
};
template <typename T>
struct Given {  // to the backward pass; grad and out [T, H, width]
  Strided<const T> grad, out;
  const float* log_sum;
  float* shared;
};

__device__ inline float warp_sum(float value) {
  for (int lane = 16; lane > 0; lane /= 2) value += __shfl_xor_sync(kAllLanes, value, lane);
  return value;
}
__device__ inline float warp_max(float value) {
  for (int lane = 16; lane > 0; lane /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, lane));
  return value;
}

// Start and end of the row that holds `token`. Offsets rise, some may be equal (rows of no token).
struct Row {
  int64_t start, end;
};
__device__ inline Row row_of(const int32_t* offsets, int64_t rows, int64_t token) {
  int64_t low = 0, high = rows;  // offsets[low] <= token < offsets[high]
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (offsets[middle] <= token)
      low = middle;
    else
      high = middle;
  }
  return {offsets[low], offsets[high]};
}

// A score and d score / d product.
struct Score {
  float value, slope;
};
__device__ inline Score score_of(float product, const CudaAttentionCase& shape) {
  if (shape.soft_cap <= 0.0f) return {product * shape.scale, shape.scale};
  const float bent = tanhf(product * (shape.scale / shape.soft_cap));
  return {shape.soft_cap * bent, (1.0f - bent * bent) * shape.scale};
}

// One vector of the warp's own, by all lanes; a __syncwarp() before it is read.
template <typename T>
__device__ void keep(float* kept, const T* source, int width, int lane) {
  for (int c = lane; c < width; c += 32) kept[c] = to_float(source[c]);
}
template <typename T>
__device__ float dot(const float* kept, const T* source, int width) {
  float sum = 0.0f;
  for (int c = 0; c < width; ++c) sum += kept[c] * to_float(source[c]);
  return sum;
}
// sums[i] += factor · source[lane + 32·i]
template <typename T>
__device__ void add_scaled(float (&sums)[kChannels], float factor, const T* source, int width,
                           int lane) {
#pragma unroll
  for (int i = 0; i < kChannels; ++i)
    if (const int c = lane + 32 * i; c < width) sums[i] += factor * to_float(source[c]);
}
template <typename T>
__device__ void store(const float (&sums)[kChannels], float factor, T* target, int width,
                      int lane) {
#pragma unroll
  for (int i = 0; i < kChannels; ++i)
    if (const int c = lane + 32 * i; c < width) target[c] = from_float<T>(sums[i] * factor);
}

__device__ inline int64_t first_key_of(int64_t query, const Row& row,
                                       const CudaAttentionCase& shape) {
  const int64_t first = query - shape.window + 1;
  return shape.window > 0 && first > row.start ? first : row.start;
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 1)
    forward_kernel(CudaAttentionCase shape, Inputs<T> in, Strided<T> out, float* log_sums) {
  SLMTUNE_SHARED(float, queries, [kWarps][kWidest]);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t query = static_cast<int64_t>(blockIdx.x) * kWarps + warp, head = blockIdx.y;
  if (query >= shape.tokens) return;
  const int width = static_cast<int>(shape.width);
  const int64_t key_head = head / (shape.heads / shape.key_heads);
  float* kept = queries[warp];
  keep(kept, in.q.at(query, head), width, lane);
  __syncwarp();

  const Row row = row_of(shape.offsets, shape.rows, query);
  float sums[kChannels] = {};
  float maximum = -INFINITY, total = 0.0f;
  for (int64_t base = first_key_of(query, row, shape); base <= query; base += 32) {
    const int64_t key = base + lane;
    float score = -INFINITY;
    if (key <= query) score = score_of(dot(kept, in.k.at(key, key_head), width), shape).value;
    const float largest = fmaxf(maximum, warp_max(score));
    const float factor = expf(maximum - largest);
    const float weight = key <= query ? expf(score - largest) : 0.0f;
    total = total * factor + warp_sum(weight);
    maximum = largest;
#pragma unroll
    for (int i = 0; i < kChannels; ++i) sums[i] *= factor;
    const int count = static_cast<int>(query - base < 31 ? query - base + 1 : 32);
    for (int j = 0; j < count; ++j)
      add_scaled(sums, __shfl_sync(kAllLanes, weight, j), in.v.at(base + j, key_head), width, lane);
  }
  store(sums, 1.0f / total, out.at(query, head), width, lane);
  if (lane == 0) log_sums[head * shape.tokens + query] = maximum + logf(total);
}

// dq, and Σ dO ⊙ O for the kernel behind it.
template <typename T>
__global__ void __launch_bounds__(kThreads, 1)
    query_gradient_kernel(CudaAttentionCase shape, Inputs<T> in, Given<T> given, Strided<T> dq) {
  SLMTUNE_SHARED(float, own, [kWarps][2][kWidest]);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t query = static_cast<int64_t>(blockIdx.x) * kWarps + warp, head = blockIdx.y;
  if (query >= shape.tokens) return;
  const int width = static_cast<int>(shape.width);
  const int64_t key_head = head / (shape.heads / shape.key_heads);
  const int64_t place = head * shape.tokens + query;
  float *kept_query = own[warp][0], *kept_grad = own[warp][1];
  keep(kept_query, in.q.at(query, head), width, lane);
  keep(kept_grad, given.grad.at(query, head), width, lane);
  __syncwarp();

  float part = 0.0f;
  const T* out = given.out.at(query, head);
  for (int c = lane; c < width; c += 32) part += kept_grad[c] * to_float(out[c]);
  const float shared = warp_sum(part), log_sum = given.log_sum[place];
  if (lane == 0) given.shared[place] = shared;

  const Row row = row_of(shape.offsets, shape.rows, query);
  float sums[kChannels] = {};
  for (int64_t base = first_key_of(query, row, shape); base <= query; base += 32) {
    const int64_t key = base + lane;
    float gradient = 0.0f;
    if (key <= query) {
      const Score score = score_of(dot(kept_query, in.k.at(key, key_head), width), shape);
      const float grad_weight = dot(kept_grad, in.v.at(key, key_head), width);
      gradient = expf(score.value - log_sum) * (grad_weight - shared) * score.slope;
    }
    const int count = static_cast<int>(query - base < 31 ? query - base + 1 : 32);
    for (int j = 0; j < count; ++j)
      add_scaled(sums, __shfl_sync(kAllLanes, gradient, j), in.k.at(base + j, key_head), width,
                 lane);
  }
  store(sums, 1.0f, dq.at(query, head), width, lane);
}

// dk and dv of one key: the sum over the query heads that share it.
template <typename T>
__global__ void __launch_bounds__(kThreads, 1)
    key_gradient_kernel(CudaAttentionCase shape, Inputs<T> in, Given<T> given, Strided<T> dk,
                        Strided<T> dv) {
  SLMTUNE_SHARED(float, own, [kWarps][2][kWidest]);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t key = static_cast<int64_t>(blockIdx.x) * kWarps + warp, key_head = blockIdx.y;
  if (key >= shape.tokens) return;
  const int width = static_cast<int>(shape.width);
  const int64_t group = shape.heads / shape.key_heads;
  float *kept_key = own[warp][0], *kept_value = own[warp][1];
  keep(kept_key, in.k.at(key, key_head), width, lane);
  keep(kept_value, in.v.at(key, key_head), width, lane);
  __syncwarp();

  const Row row = row_of(shape.offsets, shape.rows, key);
  const int64_t reach = key + shape.window;
  const int64_t end = shape.window > 0 && reach < row.end ? reach : row.end;
  float key_sums[kChannels] = {}, value_sums[kChannels] = {};
  for (int64_t head = key_head * group; head < (key_head + 1) * group; ++head) {
    for (int64_t base = key; base < end; base += 32) {
      const int64_t query = base + lane;
      float weight = 0.0f, gradient = 0.0f;
      if (query < end) {
        const int64_t place = head * shape.tokens + query;
        const Score score = score_of(dot(kept_key, in.q.at(query, head), width), shape);
        const float grad_weight = dot(kept_value, given.grad.at(query, head), width);
        weight = expf(score.value - given.log_sum[place]);
        gradient = weight * (grad_weight - given.shared[place]) * score.slope;
      }
      const int count = static_cast<int>(end - base < 32 ? end - base : 32);
      for (int j = 0; j < count; ++j) {
        add_scaled(value_sums, __shfl_sync(kAllLanes, weight, j), given.grad.at(base + j, head),
                   width, lane);
        add_scaled(key_sums, __shfl_sync(kAllLanes, gradient, j), in.q.at(base + j, head), width,
                   lane);
      }
    }
  }
  store(key_sums, 1.0f, dk.at(key, key_head), width, lane);
  store(value_sums, 1.0f, dv.at(key, key_head), width, lane);
}

bool fits(const CudaAttentionCase& shape) {
  return shape.width > 0 && shape.width <= kWidest && shape.key_heads > 0 &&
         shape.heads % shape.key_heads == 0 && shape.heads < (1 << 16) && shape.rows > 0 &&
         shape.tokens > 0 && shape.tokens < (int64_t{1} << 31);
}

dim3 warps_for(int64_t tokens, int64_t heads) {
  return dim3(static_cast<unsigned>((tokens + kWarps - 1) / kWarps), static_cast<unsigned>(heads));
}

template <typename T>
Inputs<T> typed(const CudaAttentionInputs& in) {
  const auto of = [](const CudaHeads& x) {
    return Strided<const T>{static_cast<const T*>(x.data), x.token_stride, x.head_stride};
  };
  return {of(in.q), of(in.k), of(in.v)};
}
template <typename T>
Strided<T> typed(const CudaMutableHeads& x) {
  return {static_cast<T*>(x.data), x.token_stride, x.head_stride};
}
// [T, H, width]
template <typename T>
Strided<T> dense(T* data, const CudaAttentionCase& shape) {
  return {data, shape.heads * shape.width, shape.width};
}

template <typename T>
int forward(const CudaAttentionCase& shape, const CudaAttentionInputs& in, void* out,
            float* log_sum, CudaStream stream) {
  SLMTUNE_LAUNCH(forward_kernel<T>, warps_for(shape.tokens, shape.heads), dim3(kThreads), stream,
                 shape, typed<T>(in), dense(static_cast<T*>(out), shape), log_sum);
  return cudaGetLastError();
}

template <typename T>
int backward(const CudaAttentionCase& shape, const CudaAttentionInputs& in,
             const CudaAttended& attended, const CudaAttentionGradients& gradients,
             CudaStream stream) {
  const Given<T> given{dense(static_cast<const T*>(attended.grad_out), shape),
                       dense(static_cast<const T*>(attended.out), shape), attended.log_sum,
                       attended.shared};
  SLMTUNE_LAUNCH(query_gradient_kernel<T>, warps_for(shape.tokens, shape.heads), dim3(kThreads),
                 stream, shape, typed<T>(in), given, typed<T>(gradients.q));
  SLMTUNE_LAUNCH(key_gradient_kernel<T>, warps_for(shape.tokens, shape.key_heads), dim3(kThreads),
                 stream, shape, typed<T>(in), given, typed<T>(gradients.k), typed<T>(gradients.v));
  return cudaGetLastError();
}

}  // namespace

int launch_attention_plain_forward(CudaAttentionCase shape, CudaAttentionInputs in, void* out,
                                   float* log_sum, CudaStream stream) {
  if (!fits(shape)) return cudaErrorInvalidValue;
  if (shape.element == CudaElement::kF32) return forward<float>(shape, in, out, log_sum, stream);
  return forward<__nv_bfloat16>(shape, in, out, log_sum, stream);
}

int launch_attention_plain_backward(CudaAttentionCase shape, CudaAttentionInputs in,
                                    CudaAttended attended, CudaAttentionGradients gradients,
                                    CudaStream stream) {
  if (!fits(shape)) return cudaErrorInvalidValue;
  if (shape.element == CudaElement::kF32)
    return backward<float>(shape, in, attended, gradients, stream);
  return backward<__nv_bfloat16>(shape, in, attended, gradients, stream);
}

}  // namespace slmtune::kernels
