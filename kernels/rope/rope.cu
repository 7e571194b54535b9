// Rotary position embedding on the GPU (rope.h has the formula), queries and keys in one launch, in
// place or into another array; float32 and bfloat16, computed in float32 and rounded once. Must
// match rope.cpp's `composed`.
//
// Mapping: one block ↔ one token, one thread ↔ every blockDim-th group of 16 bytes of a half head
// and its partner in the other half (one channel where halves are not made of 16 bytes).
// Shared memory: none. Registers: at most 48 a thread.
//
// Bound: memory. 2 · tokens · heads · 2R elements moved, and 2 · tokens · R of cos and sin (heads
// read them again from L1). [8192, 32 + 8 heads, 128] in bfloat16: 168 MB, so at least 39 µs at
// 4.3 TB/s and 166 µs at 1,008 GB/s. Arithmetic is 3 operations per element.
#include "kernels/cuda/launch.cuh"
#include "kernels/rope/rope_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr int kMaxThreads = 256;

// One array of heads, typed.
template <typename T>
struct Heads {
  const T* x;
  T* out;
  int64_t count, token_stride, head_stride, out_token_stride, out_head_stride;
};

// Channels [g·kSize, …) of the first half and their partners `half` further on.
template <typename T, int kSize>
__device__ void turn_group(const T* x, T* out, const T* cos, const T* sin, int64_t half, int64_t g,
                           float sign) {
  const Pack<T, kSize> a = load_pack<kSize>(x, g), b = load_pack<kSize>(x + half, g);
  const Pack<T, kSize> c = load_pack<kSize>(cos, g), s = load_pack<kSize>(sin, g);
  Pack<T, kSize> first, second;
  for (int i = 0; i < kSize; ++i) {
    const float left = to_float(a.values[i]), right = to_float(b.values[i]);
    const float cosine = to_float(c.values[i]), sine = sign * to_float(s.values[i]);
    first.values[i] = from_float<T>(left * cosine - right * sine);
    second.values[i] = from_float<T>(right * cosine + left * sine);
  }
  store_pack(out, g, first);
  store_pack(out + half, g, second);
}

template <typename T, int kSize>
__global__ void __launch_bounds__(kMaxThreads)
    rope_kernel(Heads<T> queries, Heads<T> keys, const T* cos, const T* sin, int width, int half,
                float sign) {
  const int64_t token = blockIdx.x;
  const int groups = half / kSize;
  const int heads = static_cast<int>(queries.count + keys.count);
  for (int item = static_cast<int>(threadIdx.x); item < heads * groups;
       item += static_cast<int>(blockDim.x)) {
    const int head = item / groups, group = item % groups;
    const bool is_query = head < queries.count;
    const Heads<T>& array = is_query ? queries : keys;
    const int64_t own = is_query ? head : head - queries.count;
    turn_group<T, kSize>(array.x + token * array.token_stride + own * array.head_stride,
                         array.out + token * array.out_token_stride + own * array.out_head_stride,
                         cos + token * half, sin + token * half, half, group, sign);
  }
  // Channels that do not turn, where they are not there yet.
  const int passing = width - 2 * half;
  for (int item = static_cast<int>(threadIdx.x); item < heads * passing;
       item += static_cast<int>(blockDim.x)) {
    const int head = item / passing, channel = 2 * half + item % passing;
    const bool is_query = head < queries.count;
    const Heads<T>& array = is_query ? queries : keys;
    if (array.out == array.x) continue;
    const int64_t own = is_query ? head : head - queries.count;
    array.out[token * array.out_token_stride + own * array.out_head_stride + channel] =
        array.x[token * array.token_stride + own * array.head_stride + channel];
  }
}

template <typename T>
Heads<T> typed(CudaTurned turned) {
  return {static_cast<const T*>(turned.x),
          static_cast<T*>(turned.out),
          turned.heads,
          turned.token_stride,
          turned.head_stride,
          turned.out_token_stride,
          turned.out_head_stride};
}

template <typename T>
bool moves_packs(const Heads<T>& heads) {
  if (heads.count == 0) return true;
  return kernels::moves_packs<T>(heads.x, heads.token_stride) &&
         kernels::moves_packs<T>(heads.x, heads.head_stride) &&
         kernels::moves_packs<T>(heads.out, heads.out_token_stride) &&
         kernels::moves_packs<T>(heads.out, heads.out_head_stride);
}

template <typename T, int kSize>
int rotate_sized(const CudaRopeShape& shape, const Heads<T>& queries, const Heads<T>& keys,
                 const T* cos, const T* sin, cudaStream_t stream) {
  const int64_t items = (queries.count + keys.count) * (shape.half / kSize);
  const int64_t threads = (items + 31) / 32 * 32;
  const auto rope = rope_kernel<T, kSize>;
  SLMTUNE_LAUNCH(rope, static_cast<unsigned>(shape.tokens),
                 static_cast<unsigned>(threads < 32            ? 32
                                       : threads > kMaxThreads ? kMaxThreads
                                                               : threads),
                 stream, queries, keys, cos, sin, static_cast<int>(shape.width),
                 static_cast<int>(shape.half), shape.is_back ? -1.0f : 1.0f);
  return cudaGetLastError();
}

template <typename T>
int rotate(const CudaRopeShape& shape, CudaTurned first, CudaTurned second, const void* cos_table,
           const void* sin_table, cudaStream_t stream) {
  const Heads<T> queries = typed<T>(first), keys = typed<T>(second);
  const auto* cos = static_cast<const T*>(cos_table);
  const auto* sin = static_cast<const T*>(sin_table);
  if (moves_packs(queries) && moves_packs(keys) && kernels::moves_packs<T>(cos, shape.half) &&
      kernels::moves_packs<T>(sin, shape.half))
    return rotate_sized<T, Pack<T>::kSize>(shape, queries, keys, cos, sin, stream);
  return rotate_sized<T, 1>(shape, queries, keys, cos, sin, stream);
}

// Items of a token are counted in int, and a grid has at most 2³¹ − 1 blocks.
bool fits(const CudaRopeShape& shape, int64_t heads) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  return shape.tokens > 0 && shape.tokens <= kMost && heads > 0 && shape.half >= 0 &&
         2 * shape.half <= shape.width && shape.width <= kMost / heads - kMaxThreads;
}

}  // namespace

int launch_rope(CudaRopeShape shape, CudaTurned queries, CudaTurned keys, const void* cos,
                const void* sin, CudaStream stream) {
  if (!fits(shape, queries.heads + keys.heads)) return cudaErrorInvalidValue;
  if (shape.element == CudaElement::kF32)
    return rotate<float>(shape, queries, keys, cos, sin, stream);
  return rotate<__nv_bfloat16>(shape, queries, keys, cos, sin, stream);
}

}  // namespace slmtune::kernels
