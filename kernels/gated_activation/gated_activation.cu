// Gated activations on the GPU (gated_activation.h has the formulas): h = act(g)·u, and the
// backward pass in place; float32 and bfloat16, computed in float32 and rounded once. Must match
// gated_activation.cpp's `composed_backward`.
//
// Mapping: one thread ↔ one group of 16 bytes of a row (one number where rows are not made of 16
// bytes), blocks of kThreads groups side by side.
// Shared memory: none. Registers: at most 48 a thread.
//
// Bound: memory. rows · F elements moved: forward 3, backward 6. [8192, 14336] in bfloat16: 705 MB
// forward, 1,409 MB backward, so at least 164 and 328 µs at 4.3 TB/s, 0.70 and 1.40 ms at
// 1,008 GB/s. Arithmetic is one exponential, one division and under 20 operations per element,
// within what a card does in that time (132 SMs at 1.7 GHz: 40 a lane and element forward).
#include "kernels/cuda/launch.cuh"
#include "kernels/gated_activation/gated_activation_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr int kThreads = 256;

// 1 / (1 + e^-x); for bfloat16 by the fast exponential: its error, 2 + 1.2·|x| units of the last
// of 24 bits, is far below the rounding to 8 bits.
template <typename T>
__device__ float logistic(float x);
template <>
__device__ inline float logistic<float>(float x) {
  return 1.0f / (1.0f + expf(-x));
}
template <>
__device__ inline float logistic<__nv_bfloat16>(float x) {
  return __fdividef(1.0f, 1.0f + __expf(-x));
}

// act(g) = g·σ(a(g)); what differs between the activations is a and its derivative.
struct Silu {
  __device__ static float inner(float g) { return g; }
  __device__ static float inner_slope(float) { return 1.0f; }
};

struct GeluTanh {
  static constexpr float kTwiceRootTwoOverPi = 1.5957691216057308f, kCubic = 0.044715f;
  __device__ static float inner(float g) { return kTwiceRootTwoOverPi * (g + kCubic * g * g * g); }
  __device__ static float inner_slope(float g) {
    return kTwiceRootTwoOverPi * (1.0f + 3.0f * kCubic * g * g);
  }
};

// The thread's row and the first group of that row's part that its block works on.
struct Place {
  int64_t row, group;
};
__device__ inline Place place_of_thread(unsigned blocks_per_row) {
  return {blockIdx.x / blocks_per_row,
          static_cast<int64_t>(blockIdx.x % blocks_per_row) * kThreads + threadIdx.x};
}

template <typename Activation, typename T, int kSize>
__global__ void __launch_bounds__(kThreads) forward_kernel(CudaGated shape, unsigned blocks_per_row,
                                                           const T* gate, const T* up, T* hidden) {
  const Place place = place_of_thread(blocks_per_row);
  if (place.group >= shape.rows.columns / kSize) return;
  const Pack<T, kSize> g = load_pack<kSize>(gate + place.row * shape.gate_stride, place.group);
  const Pack<T, kSize> u = load_pack<kSize>(up + place.row * shape.up_stride, place.group);
  Pack<T, kSize> h;
  for (int i = 0; i < kSize; ++i) {
    const float x = to_float(g.values[i]);
    h.values[i] = from_float<T>(x * logistic<T>(Activation::inner(x)) * to_float(u.values[i]));
  }
  store_pack(hidden + place.row * shape.hidden_stride, place.group, h);
}

template <typename Activation, typename T, int kSize>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(CudaGated shape, unsigned blocks_per_row, T* gate, T* up, T* hidden) {
  const Place place = place_of_thread(blocks_per_row);
  if (place.group >= shape.rows.columns / kSize) return;
  T *gate_row = gate + place.row * shape.gate_stride, *up_row = up + place.row * shape.up_stride;
  T* hidden_row = hidden + place.row * shape.hidden_stride;
  Pack<T, kSize> g = load_pack<kSize>(gate_row, place.group);
  Pack<T, kSize> u = load_pack<kSize>(up_row, place.group);
  Pack<T, kSize> h = load_pack<kSize>(hidden_row, place.group);
  for (int i = 0; i < kSize; ++i) {
    const float x = to_float(g.values[i]), factor = to_float(u.values[i]);
    const float incoming = to_float(h.values[i]);
    const float share = logistic<T>(Activation::inner(x)), active = x * share;
    const float slope = share + active * (1.0f - share) * Activation::inner_slope(x);
    h.values[i] = from_float<T>(active * factor);
    g.values[i] = from_float<T>(incoming * factor * slope);
    u.values[i] = from_float<T>(incoming * active);
  }
  store_pack(hidden_row, place.group, h);
  store_pack(gate_row, place.group, g);
  store_pack(up_row, place.group, u);
}

// Blocks of one row; 0 when the grid would not fit (2³¹ − 1 blocks).
unsigned blocks_per_row(const CudaRows& rows, int size) {
  const int64_t groups = rows.columns / size, blocks = (groups + kThreads - 1) / kThreads;
  return blocks * rows.count < (int64_t{1} << 31) ? static_cast<unsigned>(blocks) : 0;
}

template <typename Activation, typename T, int kSize>
int forward_sized(const CudaGated& shape, const T* gate, const T* up, T* hidden,
                  cudaStream_t stream) {
  const unsigned blocks = blocks_per_row(shape.rows, kSize);
  if (blocks == 0) return cudaErrorInvalidValue;
  const auto gated_activation = forward_kernel<Activation, T, kSize>;
  SLMTUNE_LAUNCH(gated_activation, blocks * static_cast<unsigned>(shape.rows.count), kThreads,
                 stream, shape, blocks, gate, up, hidden);
  return cudaGetLastError();
}

template <typename Activation, typename T, int kSize>
int backward_sized(const CudaGated& shape, T* gate, T* up, T* hidden, cudaStream_t stream) {
  const unsigned blocks = blocks_per_row(shape.rows, kSize);
  if (blocks == 0) return cudaErrorInvalidValue;
  const auto gated_activation_backward = backward_kernel<Activation, T, kSize>;
  SLMTUNE_LAUNCH(gated_activation_backward, blocks * static_cast<unsigned>(shape.rows.count),
                 kThreads, stream, shape, blocks, gate, up, hidden);
  return cudaGetLastError();
}

template <typename T>
bool is_packed(const CudaGated& shape, const T* gate, const T* up, const T* hidden) {
  return shape.rows.columns % Pack<T>::kSize == 0 && moves_packs<T>(gate, shape.gate_stride) &&
         moves_packs<T>(up, shape.up_stride) && moves_packs<T>(hidden, shape.hidden_stride);
}

template <typename Activation, typename T>
int forward(const CudaGated& shape, const T* gate, const T* up, T* hidden, cudaStream_t stream) {
  if (is_packed(shape, gate, up, static_cast<const T*>(hidden)))
    return forward_sized<Activation, T, Pack<T>::kSize>(shape, gate, up, hidden, stream);
  return forward_sized<Activation, T, 1>(shape, gate, up, hidden, stream);
}

template <typename Activation, typename T>
int backward(const CudaGated& shape, T* gate, T* up, T* hidden, cudaStream_t stream) {
  if (is_packed<T>(shape, gate, up, hidden))
    return backward_sized<Activation, T, Pack<T>::kSize>(shape, gate, up, hidden, stream);
  return backward_sized<Activation, T, 1>(shape, gate, up, hidden, stream);
}

template <typename T>
int forward_of(const CudaGated& shape, CudaActivation activation, const void* gate, const void* up,
               void* hidden, cudaStream_t stream) {
  const auto *g = static_cast<const T*>(gate), *u = static_cast<const T*>(up);
  auto* h = static_cast<T*>(hidden);
  return activation == CudaActivation::kSilu ? forward<Silu>(shape, g, u, h, stream)
                                             : forward<GeluTanh>(shape, g, u, h, stream);
}

template <typename T>
int backward_of(const CudaGated& shape, CudaActivation activation, void* gate, void* up,
                void* hidden, cudaStream_t stream) {
  auto *g = static_cast<T*>(gate), *u = static_cast<T*>(up), *h = static_cast<T*>(hidden);
  return activation == CudaActivation::kSilu ? backward<Silu>(shape, g, u, h, stream)
                                             : backward<GeluTanh>(shape, g, u, h, stream);
}

bool has_elements(const CudaGated& shape) {
  return shape.rows.count > 0 && shape.rows.columns > 0;
}

}  // namespace

int launch_gated_activation(CudaGated shape, CudaActivation activation, const void* gate,
                            const void* up, void* hidden, CudaStream stream) {
  if (!has_elements(shape)) return cudaErrorInvalidValue;
  if (shape.rows.element == CudaElement::kF32)
    return forward_of<float>(shape, activation, gate, up, hidden, stream);
  return forward_of<__nv_bfloat16>(shape, activation, gate, up, hidden, stream);
}

int launch_gated_activation_backward(CudaGated shape, CudaActivation activation, void* gate,
                                     void* up, void* hidden, CudaStream stream) {
  if (!has_elements(shape)) return cudaErrorInvalidValue;
  if (shape.rows.element == CudaElement::kF32)
    return backward_of<float>(shape, activation, gate, up, hidden, stream);
  return backward_of<__nv_bfloat16>(shape, activation, gate, up, hidden, stream);
}

}  // namespace slmtune::kernels
