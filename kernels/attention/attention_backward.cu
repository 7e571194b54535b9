// Attention with a soft-cap on its scores (Gemma 2), windows and grouped queries, over packed rows:
// backward pass for bfloat16 by tensor cores. Reference: attention_cpu.cpp.
//
//   P = e^(s − log_sum)    dP = dO·Vᵀ    dS = P ⊙ (dP − Σ dO ⊙ O) · (1 − tanh²) · scale
//   dV = Pᵀ·dO    dK = dSᵀ·Q    dQ = dS·K
//
// Two kernels, one that walks along the keys and one along the queries: each sum stays with one
// warp, in registers. Nothing is added atomically and no float32 buffer for dQ exists; the same
// bits in every run. The price: 8 products of matrices instead of 5.
//
// query_gradient_kernel: one block ↔ 64 queries of one head, one warp ↔ 16, 32 keys at a time. Also
// writes Σ dO ⊙ O for the other kernel, which therefore runs second.
// key_gradient_kernel: one block ↔ 64 keys of one key head. Four warps hold dV of 16 keys each,
// four dK: the two do not fit into one warp's registers. 32 queries at a time, through all query
// heads that share the keys. Registers: at most 248 a thread.
// Shared memory: 192 rows of a tile, 99 KiB for heads of 256. Bound:
// tensor cores, 10 · hd operations needed per visible pair and head, 16 · hd done: one row of 2,048
// tokens, 8 heads of 256: 69 GFLOP, 87 µs at an H200's 790 TFLOP/s, 416 µs at a 4090's 165.
#include "kernels/attention/attention_tiles.cuh"

namespace slmtune::kernels {
namespace {

constexpr int kQueryWarps = 4, kQueries = 16 * kQueryWarps, kKeysAtATime = 32;
constexpr int kKeyWarps = 4, kKeys = 16 * kKeyWarps, kQueriesAtATime = 32;
constexpr int kKeyThreads = 2 * kKeyWarps * 32;

// P and ds/dproduct of one pair.
struct Weight {
  float value, slope;
};
__device__ inline Weight weight_of(float product, float log_sum, const CudaAttentionCase& shape) {
  const float bent = fast_tanh(product * (shape.scale / shape.soft_cap));
  return {__expf(shape.soft_cap * bent - log_sum), (1.0f - bent * bent) * shape.scale};
}

// dO or O [T, H, width] of one head of one row.
template <int kWidth>
__device__ inline HeadRows dense_rows(const void* data, const CudaAttentionCase& shape,
                                      int64_t start, int64_t head) {
  return head_rows({data, shape.heads * kWidth, kWidth}, start, head);
}

// Σ dO ⊙ O of the warp's 16 queries, kept by the threads that have a part in them and written to
// `shared`. All lanes of the warp; dO from its tile.
template <int kWidth>
__device__ inline void sum_shared(float (&mine)[2], const Bf16* grad_tile, int warp_row,
                                  const HeadRows& out, int first, int end, float* shared) {
  const int lane = lane_of_warp();
#pragma unroll
  for (int half = 0; half < 2; ++half)
    for (int r = 0; r < 8; ++r) {
      const int row = warp_row + 8 * half + r, query = first + row;
      float sum = 0.0f;
      if (query < end)
        for (int c = lane; c < kWidth; c += 32)
          sum += to_float(grad_tile[row * kPitch<kWidth> + c]) *
                 to_float(out.data[query * out.stride + c]);
      for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, other);
      if (r == lane / 4) mine[half] = sum;
      if (lane == 0 && query < end) shared[query] = sum;
    }
}

template <int kWidth>
__global__ void __launch_bounds__(kQueryWarps * 32, 1)
    query_gradient_kernel(CudaAttentionCase shape, CudaAttentionInputs in, CudaAttended given,
                          CudaMutableHeads dq) {
  constexpr int kThreads = kQueryWarps * 32, kTiles = kKeysAtATime / 8;
  SLMTUNE_DYNAMIC_SHARED(Bf16, tiles);
  Bf16 *const q_tile = tiles, *const grad_tile = q_tile + kQueries * kPitch<kWidth>,
              *const k_tile = grad_tile + kQueries * kPitch<kWidth>,
              *const v_tile = k_tile + kKeysAtATime * kPitch<kWidth>;
  const BlockPart part = part_of_block(shape, kQueries);
  if (part.first >= part.length) return;
  const int64_t head = blockIdx.y, key_head = head / (shape.heads / shape.key_heads);
  const HeadRows k = head_rows(in.k, part.start, key_head);
  const HeadRows v = head_rows(in.v, part.start, key_head);
  const int end = part.first + kQueries < part.length ? part.first + kQueries : part.length;
  const int window = static_cast<int>(shape.window);
  const int reach = window > 0 && part.first >= window ? part.first - window + 1 : 0;
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * 16;

  copy_rows<kWidth, kQueries, kThreads>(q_tile, head_rows(in.q, part.start, head), part.first, end);
  copy_rows<kWidth, kQueries, kThreads>(
      grad_tile, dense_rows<kWidth>(given.grad_out, shape, part.start, head), part.first, end);
  int first_key = reach / kKeysAtATime * kKeysAtATime;
  copy_rows<kWidth, kKeysAtATime, kThreads>(k_tile, k, first_key, end);
  copy_rows<kWidth, kKeysAtATime, kThreads>(v_tile, v, first_key, end);
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();

  const int64_t place = head * shape.tokens + part.start;
  float shared[2] = {0.0f, 0.0f}, log_sums[2] = {0.0f, 0.0f};
  sum_shared<kWidth>(shared, grad_tile, warp_row,
                     dense_rows<kWidth>(given.out, shape, part.start, head), part.first, end,
                     given.shared + place);
#pragma unroll
  for (int half = 0; half < 2; ++half)
    if (const int query = part.first + warp_row + row_in_tile(2 * half); query < end)
      log_sums[half] = given.log_sum[place + query];

  Accumulator sums[kWidth / 8] = {};
  for (; first_key < end; first_key += kKeysAtATime) {
    wait_for_copies<0>();
    __syncthreads();  // k and v are there
    Accumulator x[kTiles], grad_weights[kTiles];
    products<kWidth>(x, q_tile, warp_row, k_tile);
    products<kWidth>(grad_weights, grad_tile, warp_row, v_tile);
    __syncthreads();  // v was read
    const bool goes_on = first_key + kKeysAtATime < end;
    if (goes_on)
      copy_rows<kWidth, kKeysAtATime, kThreads>(v_tile, v, first_key + kKeysAtATime, end);
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int query = part.first + warp_row + row_in_tile(i);
        const Weight p = weight_of(x[n].values[i], log_sums[i / 2], shape);
        const float gradient = p.value * (grad_weights[n].values[i] - shared[i / 2]) * p.slope;
        const bool counts = query < end && is_seen(query, first_key + column_in_tile(n, i), window);
        x[n].values[i] = counts ? gradient : 0.0f;
      }
    add_product<kWidth>(sums, x, k_tile);
    __syncthreads();  // k was read
    if (goes_on)
      copy_rows<kWidth, kKeysAtATime, kThreads>(k_tile, k, first_key + kKeysAtATime, end);
    commit_copies();
  }
  const float factors[2] = {1.0f, 1.0f};
  Bf16* target = static_cast<Bf16*>(dq.data) + part.start * dq.token_stride + head * dq.head_stride;
  store_sums<kWidth>(sums, factors, target, dq.token_stride, part.first + warp_row, end);
}

// What a key tile's warps compute of 32 queries: Pᵀ, or dSᵀ where `with_gradient`. Rows are keys.
template <int kWidth>
struct Stretch {
  const Bf16 *k_tile, *v_tile, *q_tile, *grad_tile;
  const float *log_sums, *shared;  // of the head, from the row's first token on
  int warp_row, first_key, first_query, end;
};

template <int kWidth>
__device__ inline void weights_of(Accumulator (&x)[kQueriesAtATime / 8], const Stretch<kWidth>& at,
                                  const CudaAttentionCase& shape, bool with_gradient) {
  constexpr int kTiles = kQueriesAtATime / 8;
  Accumulator grad_weights[kTiles] = {};
  products<kWidth>(x, at.k_tile, at.warp_row, at.q_tile);
  if (with_gradient) products<kWidth>(grad_weights, at.v_tile, at.warp_row, at.grad_tile);
  const int window = static_cast<int>(shape.window);
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      const int query = at.first_query + column_in_tile(n, side);
      const bool exists = query < at.end;
      const float log_sum = exists ? at.log_sums[query] : 0.0f;
      const float shared = exists && with_gradient ? at.shared[query] : 0.0f;
#pragma unroll
      for (int i = side; i < 4; i += 2) {
        const int key = at.first_key + at.warp_row + row_in_tile(i);
        const Weight p = weight_of(x[n].values[i], log_sum, shape);
        const float value =
            with_gradient ? p.value * (grad_weights[n].values[i] - shared) * p.slope : p.value;
        x[n].values[i] = exists && is_seen(query, key, window) ? value : 0.0f;
      }
    }
}

template <int kWidth>
__global__ void __launch_bounds__(kKeyThreads, 1)
    key_gradient_kernel(CudaAttentionCase shape, CudaAttentionInputs in, CudaAttended given,
                        CudaMutableHeads dk, CudaMutableHeads dv) {
  SLMTUNE_DYNAMIC_SHARED(Bf16, tiles);
  Bf16 *const k_tile = tiles, *const v_tile = k_tile + kKeys * kPitch<kWidth>,
              *const q_tile = v_tile + kKeys * kPitch<kWidth>,
              *const grad_tile = q_tile + kQueriesAtATime * kPitch<kWidth>;
  const BlockPart part = part_of_block(shape, kKeys);
  if (part.first >= part.length) return;
  const int64_t key_head = blockIdx.y, group = shape.heads / shape.key_heads;
  const int keys_end = part.first + kKeys < part.length ? part.first + kKeys : part.length;
  const int window = static_cast<int>(shape.window);
  const int reach = keys_end - 1 + window;  // the first query that sees none of the keys
  const int end = window > 0 && reach < part.length ? reach : part.length;
  const int warp = static_cast<int>(threadIdx.x) / 32, warp_row = warp % kKeyWarps * 16;
  const bool holds_dk = warp >= kKeyWarps;

  copy_rows<kWidth, kKeys, kKeyThreads>(k_tile, head_rows(in.k, part.start, key_head), part.first,
                                        keys_end);
  copy_rows<kWidth, kKeys, kKeyThreads>(v_tile, head_rows(in.v, part.start, key_head), part.first,
                                        keys_end);
  Accumulator sums[kWidth / 8] = {};
  for (int64_t head = key_head * group; head < (key_head + 1) * group; ++head) {
    const HeadRows q = head_rows(in.q, part.start, head);
    const HeadRows grad = dense_rows<kWidth>(given.grad_out, shape, part.start, head);
    const int64_t place = head * shape.tokens + part.start;
    for (int first_query = part.first; first_query < end; first_query += kQueriesAtATime) {
      copy_rows<kWidth, kQueriesAtATime, kKeyThreads>(q_tile, q, first_query, end);
      copy_rows<kWidth, kQueriesAtATime, kKeyThreads>(grad_tile, grad, first_query, end);
      commit_copies();
      wait_for_copies<0>();
      __syncthreads();
      Accumulator x[kQueriesAtATime / 8];
      weights_of<kWidth>(x,
                         {k_tile, v_tile, q_tile, grad_tile, given.log_sum + place,
                          given.shared + place, warp_row, part.first, first_query, end},
                         shape, holds_dk);
      add_product<kWidth>(sums, x, holds_dk ? q_tile : grad_tile);
      __syncthreads();  // q and dO were read
    }
  }
  const float factors[2] = {1.0f, 1.0f};
  const CudaMutableHeads& to = holds_dk ? dk : dv;
  Bf16* target =
      static_cast<Bf16*>(to.data) + part.start * to.token_stride + key_head * to.head_stride;
  store_sums<kWidth>(sums, factors, target, to.token_stride, part.first + warp_row, keys_end);
}

template <int kWidth>
int backward(const CudaAttentionCase& shape, const CudaAttentionInputs& in,
             const CudaAttended& attended, const CudaAttentionGradients& gradients,
             CudaStream stream) {
  const auto along_queries = query_gradient_kernel<kWidth>;
  SLMTUNE_LAUNCH_SHARED(along_queries, blocks_for(shape, kQueries, shape.heads),
                        dim3(kQueryWarps * 32), tile_bytes<kWidth>(2 * (kQueries + kKeysAtATime)),
                        stream, shape, in, attended, gradients.q);
  const auto along_keys = key_gradient_kernel<kWidth>;
  SLMTUNE_LAUNCH_SHARED(along_keys, blocks_for(shape, kKeys, shape.key_heads), dim3(kKeyThreads),
                        tile_bytes<kWidth>(2 * (kKeys + kQueriesAtATime)), stream, shape, in,
                        attended, gradients.k, gradients.v);
  return cudaGetLastError();
}

bool stores_pairs(const CudaMutableHeads& x) {
  return reinterpret_cast<uintptr_t>(x.data) % 4 == 0 && x.token_stride % 2 == 0 &&
         x.head_stride % 2 == 0;
}

bool starts_at_16(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

}  // namespace

int launch_attention_backward(CudaAttentionCase shape, CudaAttentionInputs in,
                              CudaAttended attended, CudaAttentionGradients gradients,
                              CudaStream stream) {
  const bool fits = takes_tiles(shape, in) && starts_at_16(attended.grad_out) &&
                    stores_pairs(gradients.q) && stores_pairs(gradients.k) &&
                    stores_pairs(gradients.v);
  if (!fits) return cudaErrorInvalidValue;
  switch (shape.width) {
    case 64:
      return backward<64>(shape, in, attended, gradients, stream);
    case 96:
      return backward<96>(shape, in, attended, gradients, stream);
    case 128:
      return backward<128>(shape, in, attended, gradients, stream);
    case 256:
      return backward<256>(shape, in, attended, gradients, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace slmtune::kernels
