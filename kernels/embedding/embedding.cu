// Embedding gather on the GPU: out[t, :] = table[ids[t], :] · scale (Gemma's √hidden, else 1), for
// float32 and bfloat16; the product in float32, rounded once. Must match embedding.cpp's
// operations.
//
// Mapping: one block ↔ one token, one thread ↔ every blockDim-th group of 16 bytes of its row (one
// number where rows are not made of 16 bytes).
// Shared memory: none. Registers: at most 40 a thread.
//
// Bound: memory. 2 · tokens · D elements moved and 8 bytes per id: [8192, 4096] in bfloat16 is
// 134 MB, at least 31 µs at 4.3 TB/s and 133 µs at 1,008 GB/s. One operation per element.
#include "kernels/cuda/launch.cuh"
#include "kernels/embedding/embedding_cuda.h"

namespace slmtune::kernels {
namespace {

constexpr int kMaxThreads = 256;

template <typename T, int kSize>
__global__ void __launch_bounds__(kMaxThreads)
    gather_kernel(const T* table, int64_t vocabulary, const int64_t* ids, float scale, T* out,
                  int64_t columns) {
  const int64_t id = ids[blockIdx.x];
  const bool exists = id >= 0 && id < vocabulary;
  const T* source = table + (exists ? id : 0) * columns;
  T* target = out + blockIdx.x * columns;
  for (int64_t g = threadIdx.x; g < columns / kSize; g += blockDim.x) {
    Pack<T, kSize> values = load_pack<kSize>(source, g);
    for (int i = 0; i < kSize; ++i) {
      const float value = exists ? to_float(values.values[i]) * scale : nanf("");
      values.values[i] = from_float<T>(value);
    }
    store_pack(target, g, values);
  }
}

template <typename T, int kSize>
int gather_sized(CudaRows rows, const T* table, int64_t vocabulary, const int64_t* ids, float scale,
                 T* out, cudaStream_t stream) {
  const int64_t warps = (rows.columns / kSize + 31) / 32, most = kMaxThreads / 32;
  const auto embedding = gather_kernel<T, kSize>;
  SLMTUNE_LAUNCH(embedding, static_cast<unsigned>(rows.count),
                 static_cast<unsigned>((warps < most ? warps : most) * 32), stream, table,
                 vocabulary, ids, scale, out, rows.columns);
  return cudaGetLastError();
}

template <typename T>
int gather(CudaRows rows, const void* from, int64_t vocabulary, const int64_t* ids, float scale,
           void* to, cudaStream_t stream) {
  const auto* table = static_cast<const T*>(from);
  auto* out = static_cast<T*>(to);
  if (moves_packs<T>(table, rows.columns) && moves_packs<T>(out, rows.columns))
    return gather_sized<T, Pack<T>::kSize>(rows, table, vocabulary, ids, scale, out, stream);
  return gather_sized<T, 1>(rows, table, vocabulary, ids, scale, out, stream);
}

}  // namespace

int launch_embedding(CudaRows rows, const void* table, int64_t vocabulary, const int64_t* ids,
                     float scale, void* out, CudaStream stream) {
  if (rows.count <= 0 || rows.columns <= 0 || rows.count >= (int64_t{1} << 31) || vocabulary <= 0)
    return cudaErrorInvalidValue;
  if (rows.element == CudaElement::kF32)
    return gather<float>(rows, table, vocabulary, ids, scale, out, stream);
  return gather<__nv_bfloat16>(rows, table, vocabulary, ids, scale, out, stream);
}

}  // namespace slmtune::kernels
