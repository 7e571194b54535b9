// Attention with a soft-cap on its scores (Gemma 2), windows and grouped queries, over packed rows:
// forward pass for bfloat16 by tensor cores, in the manner of FlashAttention 2 (Dao 2023). No score
// reaches memory. Reference: attention_cpu.cpp.
//
//   s = cap · tanh(scale · q·k / cap)    out = softmax(s) · v    log_sum = log Σ e^s
//
// Mapping: one block ↔ 16 · warps queries of one head of one row, one warp ↔ 16 of them with their
// sums in registers; keys come by, 64 (heads of 256: 32) at a time, copied while the tile before is
// computed: v during q·k, the next k during softmax and the product with v. Tiles that no query of
// the block sees are left out.
// Shared memory: 99 KiB for heads of 256, 51 KiB for 128. Registers: at most 248 a thread. Bound:
// tensor cores, 4 · hd operations per visible pair and head: one row of 2,048 tokens, 8 heads of
// 256: 17 GFLOP, 22 µs at an H200's 790 TFLOP/s, 104 µs at a 4090's 165. A warp takes 16 rows per
// load of a fragment of k or v, so below that shared memory sets the pace.
#include "kernels/attention/attention_tiles.cuh"

namespace slmtune::kernels {
namespace {

// Running softmax of the two rows that a thread has a part in.
struct Softmax {
  float maximum[2] = {-INFINITY, -INFINITY};
  float total[2] = {0.0f, 0.0f};  // of the thread's own columns
};

__device__ inline float quad_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 2));
}
__device__ inline float quad_sum(float value) {
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  return value + __shfl_xor_sync(0xffffffffu, value, 2);
}

// Products become capped scores, −infinity where unseen.
template <int kTiles>
__device__ inline void cap_scores(Accumulator (&x)[kTiles], const CudaAttentionCase& shape,
                                  int first_query, int first_key) {
  const float inner = shape.scale / shape.soft_cap;
  const int window = static_cast<int>(shape.window);
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int query = first_query + row_in_tile(i), key = first_key + column_in_tile(n, i);
      const float score = shape.soft_cap * fast_tanh(x[n].values[i] * inner);
      x[n].values[i] = is_seen(query, key, window) ? score : -INFINITY;
    }
}

// Scores become e^(s − maximum); `factors` is what the sums before are worth under the new maximum.
template <int kTiles>
__device__ inline void advance(Softmax& softmax, Accumulator (&x)[kTiles], float (&factors)[2]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = softmax.maximum[half];
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
      largest = fmaxf(largest, fmaxf(x[n].values[2 * half], x[n].values[2 * half + 1]));
    largest = quad_max(largest);
    const float base = largest == -INFINITY ? 0.0f : largest;  // nothing seen so far
    factors[half] = __expf(softmax.maximum[half] - base);
    softmax.maximum[half] = largest;
    float total = 0.0f;
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        x[n].values[i] = __expf(x[n].values[i] - base);
        total += x[n].values[i];
      }
    softmax.total[half] = softmax.total[half] * factors[half] + total;
  }
}

template <int kWidth, int kWarps, int kKeys>
__global__ void __launch_bounds__(kWarps * 32, 1)
    forward_kernel(CudaAttentionCase shape, CudaAttentionInputs in, Bf16* out, float* log_sums) {
  constexpr int kQueries = 16 * kWarps, kThreads = 32 * kWarps, kTiles = kKeys / 8;
  SLMTUNE_DYNAMIC_SHARED(Bf16, shared);
  Bf16 *const q_tile = shared, *const k_tile = q_tile + kQueries * kPitch<kWidth>,
              *const v_tile = k_tile + kKeys * kPitch<kWidth>;
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
  int first_key = reach / kKeys * kKeys;
  copy_rows<kWidth, kKeys, kThreads>(k_tile, k, first_key, end);
  commit_copies();

  Softmax softmax;
  Accumulator sums[kWidth / 8] = {};
  for (; first_key < end; first_key += kKeys) {
    copy_rows<kWidth, kKeys, kThreads>(v_tile, v, first_key, end);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();  // q and k are there
    Accumulator x[kTiles];
    products<kWidth>(x, q_tile, warp_row, k_tile);
    __syncthreads();  // k was read
    if (first_key + kKeys < end)
      copy_rows<kWidth, kKeys, kThreads>(k_tile, k, first_key + kKeys, end);
    commit_copies();
    cap_scores(x, shape, part.first + warp_row, first_key);
    float factors[2];
    advance(softmax, x, factors);
#pragma unroll
    for (int n = 0; n < kWidth / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[n].values[i] *= factors[i / 2];
    wait_for_copies<1>();
    __syncthreads();  // v is there
    add_product<kWidth>(sums, x, v_tile);
    __syncthreads();  // v was read
  }

  float inverse[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float total = quad_sum(softmax.total[half]);
    inverse[half] = 1.0f / total;
    const int query = part.first + warp_row + row_in_tile(2 * half);
    if (lane_of_warp() % 4 == 0 && query < end)
      log_sums[head * shape.tokens + part.start + query] = softmax.maximum[half] + logf(total);
  }
  const int64_t stride = shape.heads * shape.width;
  store_sums<kWidth>(sums, inverse, out + part.start * stride + head * shape.width, stride,
                     part.first + warp_row, end);
}

template <int kWidth, int kWarps, int kKeys>
int forward(const CudaAttentionCase& shape, const CudaAttentionInputs& in, void* out,
            float* log_sum, CudaStream stream) {
  constexpr int kQueries = 16 * kWarps;
  const auto kernel = forward_kernel<kWidth, kWarps, kKeys>;
  SLMTUNE_LAUNCH_SHARED(kernel, blocks_for(shape, kQueries, shape.heads), dim3(kWarps * 32),
                        tile_bytes<kWidth>(kQueries + 2 * kKeys), stream, shape, in,
                        static_cast<Bf16*>(out), log_sum);
  return cudaGetLastError();
}

bool moves_pieces(const CudaHeads& x) {
  return moves_packs<Bf16>(x.data, x.token_stride) && x.head_stride % Pack<Bf16>::kSize == 0;
}

}  // namespace

bool takes_tiles(const CudaAttentionCase& shape, const CudaAttentionInputs& in) {
  const bool is_whole = shape.key_heads > 0 && shape.heads % shape.key_heads == 0 &&
                        shape.heads < (1 << 16) && shape.rows > 0 && shape.longest > 0 &&
                        shape.longest < (int64_t{1} << 30) && shape.tokens > 0 &&
                        shape.window >= 0 && shape.window < (int64_t{1} << 30);
  const int64_t blocks = (shape.longest + 63) / 64 * shape.rows;
  return is_whole && blocks < (int64_t{1} << 31) && shape.element == CudaElement::kBF16 &&
         shape.soft_cap > 0.0f && moves_pieces(in.q) && moves_pieces(in.k) && moves_pieces(in.v);
}

int launch_attention_forward(CudaAttentionCase shape, CudaAttentionInputs in, void* out,
                             float* log_sum, CudaStream stream) {
  if (!takes_tiles(shape, in)) return cudaErrorInvalidValue;
  switch (shape.width) {
    case 64:
      return forward<64, 4, 64>(shape, in, out, log_sum, stream);
    case 96:
      return forward<96, 4, 64>(shape, in, out, log_sum, stream);
    case 128:
      return forward<128, 4, 64>(shape, in, out, log_sum, stream);
    case 256:
      return forward<256, 8, 32>(shape, in, out, log_sum, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace slmtune::kernels
