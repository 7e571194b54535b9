// Cross-entropy of rows of logits on the GPU; the logits may become their own gradient. float32 and
// bfloat16 logits, float32 statistics, any vocabulary. Reference: cross_entropy_rows.cpp.
//
//   loss = log Σ e^z − z[target]    d loss/d logit = (softmax(z) − onehot) · dz/dlogit
//   z = logit, or cap · tanh(logit / cap)
//
// Mapping: one block ↔ one row, one thread ↔ every blockDim-th group of 16 bytes. First a pass in
// which each thread moves a maximum and a sum along (Milakov and Gimelshein 2018), then one that
// writes the gradient. A row that does not start at a multiple of 16 bytes has its first elements,
// and any row its last ones, done one by one. Shared memory: 256 bytes.
// Registers: at most 48 a thread.
// Bound: memory, rows · V elements read once and, for the gradient, written once; the second
// reading comes from the cache as far as the rows under way fit there. 1,024 rows of 151,936 in
// bfloat16: 0.31 GB each way, at least 145 µs on an H200 (4.3 TB/s), 617 µs on a 4090 (1,008 GB/s);
// half as much again where nothing is left in the cache. Two exponentials per element: below the
// limit.
#include <type_traits>

#include "kernels/cross_entropy/cross_entropy_cuda.h"
#include "kernels/cuda/launch.cuh"

namespace slmtune::kernels {
namespace {

constexpr int kMostThreads = 512;
constexpr int64_t kNone = -100;     // kNoTarget of cross_entropy.h
constexpr float kFloor = -3.0e38f;  // below every logit; e^(kFloor − m) is 0

// Σ e^(z − maximum) = sum over the values seen so far.
struct RowSum {
  float maximum, sum;
};

__device__ inline RowSum joined(RowSum a, RowSum b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  return {maximum, a.sum * expf(a.maximum - maximum) + b.sum * expf(b.maximum - maximum)};
}

// Of all threads of the block, the same for each and in the same order in every run.
__device__ inline RowSum block_joined(RowSum mine) {
  SLMTUNE_SHARED(RowSum, of_warp, [32]);
  for (int lane = 16; lane > 0; lane /= 2) {
    const RowSum other = {__shfl_xor_sync(0xffffffffu, mine.maximum, lane),
                          __shfl_xor_sync(0xffffffffu, mine.sum, lane)};
    mine = joined(mine, other);
  }
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  RowSum all = of_warp[0];
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) all = joined(all, of_warp[warp]);
  return all;
}

// tanh to within 2e-7.
__device__ inline float bent(float x) {
  return 1.0f - 2.0f / (1.0f + expf(2.0f * x));
}

// One element, moved by itself.
template <typename T>
struct Single {
  static constexpr int kSize = 1;
  T values[1];
};

// Calls body(group, index of its first element) for the thread's groups of a row.
template <typename T, typename Body>
__device__ void over_row(T* row, int64_t count, const Body& body) {
  using Element = std::remove_const_t<T>;
  using Many = Pack<Element>;
  const auto beyond = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(T));
  int64_t lead = beyond == 0 ? 0 : Many::kSize - beyond;
  if (lead > count) lead = count;
  const int64_t groups = (count - lead) / Many::kSize, tail = lead + groups * Many::kSize;
  for (int64_t i = threadIdx.x; i < lead; i += blockDim.x) body(Single<Element>{}, row + i, i);
  for (int64_t g = threadIdx.x; g < groups; g += blockDim.x)
    body(Many{}, row + lead + g * Many::kSize, lead + g * Many::kSize);
  for (int64_t i = tail + threadIdx.x; i < count; i += blockDim.x)
    body(Single<Element>{}, row + i, i);
}

template <typename Group, typename T>
__device__ Group load(const T* from) {
  return *reinterpret_cast<const Group*>(from);
}

// z of a logit.
struct Cap {
  float cap, inverse;  // cap 0: none
  __device__ float operator()(float x) const { return cap > 0.0f ? cap * bent(x * inverse) : x; }
};

template <typename T>
__device__ RowSum row_sum(const T* row, int64_t count, const Cap& cap) {
  RowSum sum{kFloor, 0.0f};
  over_row(row, count, [&](auto kind, const T* at, int64_t) {
    using Group = decltype(kind);
    const Group group = load<Group>(at);
    float z[Group::kSize], largest = sum.maximum, more = 0.0f;
#pragma unroll
    for (int i = 0; i < Group::kSize; ++i) {
      z[i] = cap(to_float(group.values[i]));
      largest = fmaxf(largest, z[i]);
    }
#pragma unroll
    for (int i = 0; i < Group::kSize; ++i) more += expf(z[i] - largest);
    sum = {largest, sum.sum * expf(sum.maximum - largest) + more};
  });
  return block_joined(sum);
}

template <typename T>
__device__ void to_gradient(T* row, int64_t count, int64_t target, const RowSum& sum,
                            const Cap& cap) {
  const float inverse = 1.0f / sum.sum;
  over_row(row, count, [&](auto kind, T* at, int64_t first) {
    using Group = decltype(kind);
    Group group = load<Group>(at);
#pragma unroll
    for (int i = 0; i < Group::kSize; ++i) {
      const float x = to_float(group.values[i]), one_hot = first + i == target ? 1.0f : 0.0f;
      const float t = cap.cap > 0.0f ? bent(x * cap.inverse) : 0.0f;
      const float z = cap.cap > 0.0f ? cap.cap * t : x;
      const float gradient = expf(z - sum.maximum) * inverse - one_hot;
      group.values[i] = from_float<T>(gradient * (1.0f - t * t));
    }
    *reinterpret_cast<Group*>(at) = group;
  });
}

template <typename T>
__device__ float loss_of(const T* row, int64_t count, int64_t target, const Cap& cap, RowSum& sum) {
  const bool is_id = target >= 0 && target < count;
  const float at_target = is_id ? cap(to_float(row[target])) : NAN;
  sum = row_sum(row, count, cap);  // its barrier stands between this reading and any writing
  return logf(sum.sum) + (sum.maximum - at_target);
}

template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    losses_kernel(const T* logits, const int64_t* targets, float* losses, int64_t columns,
                  Cap cap) {
  const int64_t r = blockIdx.x, target = targets[r];
  RowSum sum{kFloor, 0.0f};
  float loss = 0.0f;
  if (target != kNone) loss = loss_of(logits + r * columns, columns, target, cap, sum);
  if (threadIdx.x == 0) losses[r] = loss;
}

template <typename T>
__global__ void __launch_bounds__(kMostThreads)
    in_place_kernel(T* logits, const int64_t* targets, float* losses, int64_t columns, Cap cap) {
  const int64_t r = blockIdx.x, target = targets[r];
  T* row = logits + r * columns;
  if (target == kNone) {
    for (int64_t i = threadIdx.x; i < columns; i += blockDim.x) row[i] = from_float<T>(0.0f);
    if (threadIdx.x == 0) losses[r] = 0.0f;
    return;
  }
  RowSum sum{kFloor, 0.0f};
  const float loss = loss_of(static_cast<const T*>(row), columns, target, cap, sum);
  if (threadIdx.x == 0) losses[r] = loss;
  to_gradient(row, columns, target, sum, cap);
}

// Whole warps, no more than there are groups of 16 bytes.
int threads_for(CudaRows rows) {
  const int64_t size = rows.element == CudaElement::kBF16 ? 8 : 4;
  const int64_t warps = (rows.columns / size + 31) / 32;
  return static_cast<int>(warps < 1 ? 32 : warps > kMostThreads / 32 ? kMostThreads : warps * 32);
}

bool fits(CudaRows rows) {
  return rows.columns > 0 && rows.count >= 0 && rows.count < (int64_t{1} << 31);
}

Cap cap_of(float soft_cap) {
  return soft_cap > 0.0f ? Cap{soft_cap, 1.0f / soft_cap} : Cap{0.0f, 0.0f};
}

}  // namespace

int launch_cross_entropy(CudaRows rows, const void* logits, const int64_t* targets, float* losses,
                         float soft_cap, CudaStream stream) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  if (rows.count == 0) return cudaSuccess;
  const dim3 blocks(static_cast<unsigned>(rows.count));
  if (rows.element == CudaElement::kF32)
    SLMTUNE_LAUNCH(losses_kernel<float>, blocks, dim3(threads_for(rows)), stream,
                   static_cast<const float*>(logits), targets, losses, rows.columns,
                   cap_of(soft_cap));
  else
    SLMTUNE_LAUNCH(losses_kernel<__nv_bfloat16>, blocks, dim3(threads_for(rows)), stream,
                   static_cast<const __nv_bfloat16*>(logits), targets, losses, rows.columns,
                   cap_of(soft_cap));
  return cudaGetLastError();
}

int launch_cross_entropy_in_place(CudaRows rows, void* logits, const int64_t* targets,
                                  float* losses, float soft_cap, CudaStream stream) {
  if (!fits(rows)) return cudaErrorInvalidValue;
  if (rows.count == 0) return cudaSuccess;
  const dim3 blocks(static_cast<unsigned>(rows.count));
  if (rows.element == CudaElement::kF32)
    SLMTUNE_LAUNCH(in_place_kernel<float>, blocks, dim3(threads_for(rows)), stream,
                   static_cast<float*>(logits), targets, losses, rows.columns, cap_of(soft_cap));
  else
    SLMTUNE_LAUNCH(in_place_kernel<__nv_bfloat16>, blocks, dim3(threads_for(rows)), stream,
                   static_cast<__nv_bfloat16*>(logits), targets, losses, rows.columns,
                   cap_of(soft_cap));
  return cudaGetLastError();
}

}  // namespace slmtune::kernels
