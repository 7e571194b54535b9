// Steps of AdamW and of AdamW with 8-bit moments over one flat buffer on the GPU: the norm of all
// gradients, the clip factor and the decision to leave a step out stay on the device. Must match
// adam_loops.cpp bit for bit, so products and sums are never joined into one rounding.
//
// Bounds: memory. The norm reads 4 bytes a parameter (2 in bfloat16); AdamW in float32 reads 16 and
// writes 12, so 40 M parameters take at least 160 + 1,120 MB = 0.27 ms at 4.8 TB/s and 1.3 ms at 1
// TB/s; with 8-bit moments it reads 10.03 and writes 6.03 (16.1 together), 0.8 ms at 1 TB/s.
// Registers: at most 64 a thread, update_8bit_kernel 96.
#include "kernels/adamw/adamw_cuda.h"
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr unsigned kAllLanes = 0xffffffffu;
constexpr double kLargestDouble = 1.7976931348623157e308;
constexpr int kZeroCode = 127;  // the signed map's code of 0

// Values of a piece that are in shared memory at a time, and what each thread brings there.
constexpr int kChunk = 4096, kBrought = kChunk / kThreads;

// Zeros, which change no sum, behind `end`.
template <typename T>
__device__ inline void bring(const T* gradients, int64_t first, int64_t end, bool in_packs,
                             float (&x)[kBrought]) {
  constexpr int kSize = Pack<T>::kSize;
#pragma unroll
  for (int group = 0; group < kBrought / kSize; ++group) {
    const int64_t at = first + (group * kThreads + static_cast<int>(threadIdx.x)) * kSize;
    if (in_packs && at + kSize <= end) {
      const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(gradients + at);
#pragma unroll
      for (int i = 0; i < kSize; ++i) x[group * kSize + i] = to_float(pack.values[i]);
    } else {
#pragma unroll
      for (int i = 0; i < kSize; ++i)
        x[group * kSize + i] = at + i < end ? to_float(gradients[at + i]) : 0.0f;
    }
  }
}

// pieces[i] = Σ x² over kNormPiece values: block ↔ piece. Sixteen threads add every sixteenth value
// each, in order, then one of them the sixteen sums, in order; meanwhile all bring the next chunk
// near. Squares of floats are exact in double precision, so fma() rounds as often as the CPU does.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    squares_kernel(const T* gradients, int64_t count, bool in_packs, double* pieces) {
  constexpr int kSize = Pack<T>::kSize;
  SLMTUNE_SHARED(float, chunk, [kChunk]);
  SLMTUNE_SHARED(double, sums, [kNormLanes]);
  const int thread = static_cast<int>(threadIdx.x);
  int64_t first = static_cast<int64_t>(blockIdx.x) * kNormPiece;
  const int64_t end = first + kNormPiece < count ? first + kNormPiece : count;
  float brought[kBrought];
  bring(gradients, first, end, in_packs, brought);
  double sum = 0.0;
  for (; first < end; first += kChunk) {
    __syncthreads();  // the chunk before has been added
#pragma unroll
    for (int i = 0; i < kBrought; ++i)
      chunk[(i / kSize * kThreads + thread) * kSize + i % kSize] = brought[i];
    __syncthreads();
    if (first + kChunk < end) bring(gradients, first + kChunk, end, in_packs, brought);
    if (thread < kNormLanes)
      for (int i = thread; i < kChunk; i += kNormLanes) {
        const auto value = static_cast<double>(chunk[i]);
        sum = fma(value, value, sum);
      }
  }
  if (thread < kNormLanes) sums[thread] = sum;
  __syncthreads();
  if (thread != 0) return;
  double total = 0.0;
  for (int lane = 0; lane < kNormLanes; ++lane) total = __dadd_rn(total, sums[lane]);
  pieces[blockIdx.x] = total;
}

// One block. The pieces are added by one thread, in order; the others bring them near.
__global__ void __launch_bounds__(kThreads)
    judge_kernel(const double* pieces, int64_t count, const double* loss, double scale,
                 double clip_norm, AdamVerdict* verdict) {
  SLMTUNE_SHARED(double, near, [kThreads]);
  double total = 0.0;
  for (int64_t first = 0; first < count; first += kThreads) {
    const int64_t left = count - first;
    if (threadIdx.x < left) near[threadIdx.x] = pieces[first + threadIdx.x];
    __syncthreads();
    const int size = left < kThreads ? static_cast<int>(left) : kThreads;
    if (threadIdx.x == 0)
      for (int i = 0; i < size; ++i) total = __dadd_rn(total, near[i]);
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const double norm = __dmul_rn(sqrt(total), scale);
  const double limit = clip_norm / __dadd_rn(norm, 1e-6);  // 1e-6 as in torch's clip_grad_norm_
  const double factor = clip_norm > 0.0 && limit < 1.0 ? limit : 1.0;
  verdict->norm = norm;
  verdict->gradient_scale = static_cast<float>(__dmul_rn(scale, factor));
  verdict->applies = norm <= kLargestDouble && (loss == nullptr || fabs(*loss) <= kLargestDouble);
}

// One value: the new moments, and what the parameter becomes.
template <bool kDecayLast>
__device__ inline float stepped(const AdamStep& step, float gradient, float parameter, float& m,
                                float& v) {
  const float g = __fmul_rn(gradient, step.gradient_scale);
  m = __fadd_rn(__fmul_rn(m, step.beta1), __fmul_rn(g, step.rest1));
  v = __fadd_rn(__fmul_rn(v, step.beta2), __fmul_rn(__fmul_rn(g, g), step.rest2));
  const float root = __fadd_rn(__fmul_rn(__fsqrt_rn(v), step.root), step.epsilon);
  const float change = __fdiv_rn(__fmul_rn(step.size, m), root);
  if (kDecayLast) return __fmul_rn(__fsub_rn(parameter, change), step.keep);
  return __fsub_rn(__fmul_rn(parameter, step.keep), change);
}

template <typename T>
__device__ inline void update_one(const AdamStep& step, T gradient, T& parameter, T& exp_avg,
                                  T& exp_avg_sq) {
  float m = to_float(exp_avg), v = to_float(exp_avg_sq);
  parameter = from_float<T>(stepped<false>(step, to_float(gradient), to_float(parameter), m, v));
  exp_avg = from_float<T>(m);
  exp_avg_sq = from_float<T>(v);
}

// Thread ↔ 16 bytes of each array, and one value of what no 16 bytes hold.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    update_kernel(AdamStep step, const T* gradients, T* parameters, T* exp_avg, T* exp_avg_sq,
                  int64_t count, int64_t groups, const AdamVerdict* verdict) {
  constexpr int kSize = Pack<T>::kSize;
  if (verdict->applies == 0) return;
  step.gradient_scale = verdict->gradient_scale;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread < groups) {
    const Pack<T> g = reinterpret_cast<const Pack<T>*>(gradients)[thread];
    Pack<T> p = reinterpret_cast<Pack<T>*>(parameters)[thread];
    Pack<T> m = reinterpret_cast<Pack<T>*>(exp_avg)[thread];
    Pack<T> v = reinterpret_cast<Pack<T>*>(exp_avg_sq)[thread];
#pragma unroll
    for (int i = 0; i < kSize; ++i)
      update_one(step, g.values[i], p.values[i], m.values[i], v.values[i]);
    reinterpret_cast<Pack<T>*>(parameters)[thread] = p;
    reinterpret_cast<Pack<T>*>(exp_avg)[thread] = m;
    reinterpret_cast<Pack<T>*>(exp_avg_sq)[thread] = v;
  }
  const int64_t i = groups * kSize + thread;
  if (i < count) update_one(step, gradients[i], parameters[i], exp_avg[i], exp_avg_sq[i]);
}

// Four values of T, or of codes, as one load.
template <typename T>
struct alignas(4 * sizeof(T)) Four {
  T values[4];
};

// Zeros behind the end.
template <typename T>
__device__ inline void read_four(const T* array, int i, int count, float (&x)[4]) {
  if (i + 4 <= count) {
    const Four<T> four = *reinterpret_cast<const Four<T>*>(array + i);
    for (int j = 0; j < 4; ++j) x[j] = to_float(four.values[j]);
    return;
  }
  for (int j = 0; j < 4; ++j) x[j] = i + j < count ? to_float(array[i + j]) : 0.0f;
}

template <typename T>
__device__ inline void write_four(T* array, int i, int count, const float (&x)[4]) {
  if (i + 4 <= count) {
    Four<T> four;
    for (int j = 0; j < 4; ++j) four.values[j] = from_float<T>(x[j]);
    *reinterpret_cast<Four<T>*>(array + i) = four;
    return;
  }
  for (int j = 0; j < 4; ++j)
    if (i + j < count) array[i + j] = from_float<T>(x[j]);
}

// A dynamic map and the middles between its values; the last place of `middles` is unused.
struct Map {
  const float *values, *middles;
};

// The nearest code, by halving.
__device__ inline int code_of(const Map& map, float x) {
  int code = 0;
  for (int half = 128; half > 0; half /= 2) code += x > map.middles[code + half - 1] ? half : 0;
  return code;
}

__device__ inline float warp_max(float value) {
  for (int lane = 16; lane > 0; lane /= 2)
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, lane));
  return value;
}

__device__ inline float inverse_of(float scale) {
  return scale > 0.0f ? __fdiv_rn(1.0f, scale) : 0.0f;
}

// A lane's eight moments: values 4 · lane … and 128 + 4 · lane … of the block.
struct Moments {
  float values[2][4];
};

__device__ inline void decode(const Map& map, const uint8_t* codes, float scale, int lane,
                              Moments& moments) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const auto four = reinterpret_cast<const Four<uint8_t>*>(codes)[32 * half + lane];
    for (int j = 0; j < 4; ++j)
      moments.values[half][j] = __fmul_rn(map.values[four.values[j]], scale);
  }
}

// kKeepsSign: the code of a negative value stays below that of 0.
template <bool kKeepsSign>
__device__ inline void encode(const Map& map, const Moments& moments, int lane, uint8_t* codes,
                              float* scale) {
  float largest = 0.0f;
#pragma unroll
  for (int half = 0; half < 2; ++half)
    for (int j = 0; j < 4; ++j) largest = fmaxf(largest, fabsf(moments.values[half][j]));
  largest = warp_max(largest);
  if (lane == 0) *scale = largest;
  const float inverse = inverse_of(largest);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    Four<uint8_t> four;
    for (int j = 0; j < 4; ++j) {
      const float value = moments.values[half][j];
      const int code = code_of(map, __fmul_rn(value, inverse));
      const bool loses_sign = kKeepsSign && code == kZeroCode && __float_as_int(value) < 0;
      four.values[j] = static_cast<uint8_t>(code - (loses_sign ? 1 : 0));
    }
    reinterpret_cast<Four<uint8_t>*>(codes)[32 * half + lane] = four;
  }
}

// One block of codes by one warp. What lies behind `count` keeps moments of 0.
template <typename T>
__device__ inline void update_codes(const AdamStep& step, const Adam8bitArrays& arrays,
                                    const MomentBlock& block, const Map& with_sign,
                                    const Map& without, int lane) {
  const T* gradients = static_cast<const T*>(arrays.gradients) + block.first;
  T* parameters = static_cast<T*>(arrays.parameters) + block.first;
  uint8_t *first = arrays.exp_avg + block.place, *second = arrays.exp_avg_sq + block.place;
  float* first_scale = arrays.exp_avg_scale + block.place / kMomentBlock;
  float* second_scale = arrays.exp_avg_sq_scale + block.place / kMomentBlock;
  Moments m, v;
  decode(with_sign, first, *first_scale, lane, m);
  decode(without, second, *second_scale, lane, v);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = 128 * half + 4 * lane;
    float g[4], p[4];
    read_four(gradients, i, block.count, g);
    read_four(parameters, i, block.count, p);
    for (int j = 0; j < 4; ++j) {
      p[j] = stepped<true>(step, g[j], p[j], m.values[half][j], v.values[half][j]);
      if (i + j >= block.count) m.values[half][j] = v.values[half][j] = 0.0f;
    }
    write_four(parameters, i, block.count, p);
  }
  __syncwarp();  // every lane has read the scales
  encode<true>(with_sign, m, lane, first, first_scale);
  encode<false>(without, v, lane, second, second_scale);
}

template <typename T>
__device__ inline void update_small(const AdamStep& step, const Adam8bitArrays& arrays,
                                    const MomentBlock& block, int lane) {
  const T* gradients = static_cast<const T*>(arrays.gradients) + block.first;
  T* parameters = static_cast<T*>(arrays.parameters) + block.first;
  float *exp_avg = arrays.small_exp_avg + block.place,
        *exp_avg_sq = arrays.small_exp_avg_sq + block.place;
  for (int i = lane; i < block.count; i += 32)
    parameters[i] = from_float<T>(stepped<false>(
        step, to_float(gradients[i]), to_float(parameters[i]), exp_avg[i], exp_avg_sq[i]));
}

// Warp ↔ a block of up to 256 values, lane ↔ two times four of them. Shared memory: 4 KiB.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    update_8bit_kernel(AdamStep step, Adam8bitArrays arrays, const AdamVerdict* verdict) {
  SLMTUNE_SHARED(float, values, [2][256]);
  SLMTUNE_SHARED(float, middles, [2][256]);
  if (verdict->applies == 0) return;
  step.gradient_scale = verdict->gradient_scale;
#pragma unroll
  for (int which = 0; which < 2; ++which) {
    const float* map = which == 0 ? arrays.signed_map : arrays.unsigned_map;
    values[which][threadIdx.x] = map[threadIdx.x];
    if (threadIdx.x < 255)
      middles[which][threadIdx.x] =
          __fmul_rn(__fadd_rn(map[threadIdx.x], map[threadIdx.x + 1]), 0.5f);
  }
  __syncthreads();
  const Map with_sign = {values[0], middles[0]}, without = {values[1], middles[1]};
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + warp; i < arrays.block_count;
       i += stride) {
    const MomentBlock block = arrays.blocks[i];
    if (block.is_small != 0)
      update_small<T>(step, arrays, block, lane);
    else
      update_codes<T>(step, arrays, block, with_sign, without, lane);
  }
}

template <typename T>
int judge(const void* gradients, int64_t count, const double* loss, double scale, double clip_norm,
          double* pieces, AdamVerdict* verdict, cudaStream_t stream) {
  const int64_t piece_count = adamw_norm_pieces(count);
  if (piece_count > 0)
    SLMTUNE_LAUNCH(squares_kernel<T>, dim3(static_cast<unsigned>(piece_count)), dim3(kThreads),
                   stream, static_cast<const T*>(gradients), count, moves_packs<T>(gradients, 0),
                   pieces);
  SLMTUNE_LAUNCH(judge_kernel, dim3(1), dim3(kThreads), stream, pieces, piece_count, loss, scale,
                 clip_norm, verdict);
  return cudaGetLastError();
}

template <typename T>
int update(const AdamStep& step, const AdamArrays& arrays, const AdamVerdict* verdict,
           cudaStream_t stream) {
  bool in_packs = moves_packs<T>(arrays.gradients, 0);
  for (const void* array : {arrays.parameters, arrays.exp_avg, arrays.exp_avg_sq})
    in_packs = in_packs && moves_packs<T>(array, 0);
  const int64_t groups = in_packs ? arrays.count / Pack<T>::kSize : 0;
  const int64_t rest = arrays.count - groups * Pack<T>::kSize;
  const int64_t threads = groups > rest ? groups : rest;
  SLMTUNE_LAUNCH(update_kernel<T>, dim3(static_cast<unsigned>((threads + kThreads - 1) / kThreads)),
                 dim3(kThreads), stream, step, static_cast<const T*>(arrays.gradients),
                 static_cast<T*>(arrays.parameters), static_cast<T*>(arrays.exp_avg),
                 static_cast<T*>(arrays.exp_avg_sq), arrays.count, groups, verdict);
  return cudaGetLastError();
}

// A warp takes several blocks of values, so that the maps are read less often.
unsigned grid_of(int64_t moment_blocks) {
  constexpr int64_t kPerBlock = kWarps * 4;
  return static_cast<unsigned>((moment_blocks + kPerBlock - 1) / kPerBlock);
}

bool starts_in_packs(const Adam8bitArrays& arrays) {
  for (const void* array :
       {arrays.gradients, static_cast<const void*>(arrays.parameters),
        static_cast<const void*>(arrays.exp_avg), static_cast<const void*>(arrays.exp_avg_sq)})
    if (!moves_packs<float>(array, 0)) return false;
  return true;
}

bool fits(int64_t count) {
  return count >= 0 && count < (int64_t{1} << 38);
}

}  // namespace

int64_t adamw_norm_pieces(int64_t count) {
  return (count + kNormPiece - 1) / kNormPiece;
}

int launch_adamw_judge(const void* gradients, CudaElement element, int64_t count,
                       const double* loss, double scale, double clip_norm, double* pieces,
                       AdamVerdict* verdict, CudaStream stream) {
  if (!fits(count)) return cudaErrorInvalidValue;
  if (element == CudaElement::kF32)
    return judge<float>(gradients, count, loss, scale, clip_norm, pieces, verdict, stream);
  return judge<__nv_bfloat16>(gradients, count, loss, scale, clip_norm, pieces, verdict, stream);
}

int launch_adamw_update(AdamStep step, AdamArrays arrays, const AdamVerdict* verdict,
                        CudaStream stream) {
  if (!fits(arrays.count)) return cudaErrorInvalidValue;
  if (arrays.count == 0) return cudaSuccess;
  if (arrays.element == CudaElement::kF32) return update<float>(step, arrays, verdict, stream);
  return update<__nv_bfloat16>(step, arrays, verdict, stream);
}

int launch_adamw_update_8bit(AdamStep step, Adam8bitArrays arrays, const AdamVerdict* verdict,
                             CudaStream stream) {
  if (!fits(arrays.block_count * kMomentBlock) || !starts_in_packs(arrays))
    return cudaErrorInvalidValue;
  if (arrays.block_count == 0) return cudaSuccess;
  const dim3 blocks(grid_of(arrays.block_count)), threads(kThreads);
  if (arrays.element == CudaElement::kF32)
    SLMTUNE_LAUNCH(update_8bit_kernel<float>, blocks, threads, stream, step, arrays, verdict);
  else
    SLMTUNE_LAUNCH(update_8bit_kernel<__nv_bfloat16>, blocks, threads, stream, step, arrays,
                   verdict);
  return cudaGetLastError();
}

}  // namespace slmtune::kernels
