#include "kernels/rope/rope.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"
#include "kernels/loops.h"
#include "kernels/parallel.h"
#include "kernels/rope/rope_rows.h"

namespace slmtune::kernels {
namespace {

void check(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  SLMTUNE_ASSERT(x.dim() == 3 && cos.dim() == 2 && cos.size(0) == x.size(0) &&
                     2 * cos.size(1) <= x.size(2) && cos.sizes() == sin.sizes(),
                 "cos and sin have one row per token and at most half a head's channels");
  SLMTUNE_ASSERT(cos.is_contiguous() && sin.is_contiguous() &&
                     cos.scalar_type() == x.scalar_type() && sin.scalar_type() == x.scalar_type(),
                 "cos and sin are contiguous and of x's dtype");
}

bool has_plain_channels(const at::Tensor& x) {
  return x.stride(2) == 1 || x.size(2) <= 1;
}

template <typename Number>
void run_loops(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn,
               at::Tensor& out) {
  const RopeRows shape{x.size(0),   x.size(1),   x.size(2),     cos.size(1),
                       x.stride(0), x.stride(1), out.stride(0), out.stride(1)};
  const auto* source = static_cast<const Number*>(x.const_data_ptr());
  const auto* c = static_cast<const Number*>(cos.const_data_ptr());
  const auto* s = static_cast<const Number*>(sin.const_data_ptr());
  auto* target = static_cast<Number*>(out.mutable_data_ptr());
  const float sign = turn == Turn::kForward ? 1.0f : -1.0f;
  const int64_t per_token = std::max<int64_t>(1, shape.heads * shape.width);
  const int64_t grain = std::max<int64_t>(1, kElementsPerTask / per_token);
  parallel_for(0, shape.tokens, grain, [&](int64_t begin, int64_t end) {
    RopeRows part = shape;
    part.tokens = end - begin;
    rotate_rows(source + begin * part.token_stride, c + begin * part.half, s + begin * part.half,
                sign, target + begin * part.out_token_stride, part);
  });
}

void run(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn,
         at::Tensor& out) {
  if (x.scalar_type() == at::kFloat)
    run_loops<float>(x, cos, sin, turn, out);
  else
    run_loops<BFloat16Bits>(x, cos, sin, turn, out);
}

CudaTurned cuda_turned(const at::Tensor& x, const at::Tensor& out) {
  return {x.const_data_ptr(), out.mutable_data_ptr(), x.size(1),    x.stride(0),
          x.stride(1),        out.stride(0),          out.stride(1)};
}

// `keys` may have no heads (CudaTurned{}).
void run_cuda(const at::Tensor& x, CudaTurned queries, CudaTurned keys, const at::Tensor& cos,
              const at::Tensor& sin, Turn turn) {
  const CudaRopeShape shape{.tokens = x.size(0),
                            .width = x.size(2),
                            .half = cos.size(1),
                            .is_back = turn == Turn::kBack,
                            .element = cuda_element(x),
                            .device = x.device().index()};
  check_cuda(opened_cuda_module().rope.rotate(shape, queries, keys, cos.const_data_ptr(),
                                              sin.const_data_ptr(), cuda_stream(shape.device)),
             "rope");
}

// The definition in LibTorch's own operators: the reference of the loops.
at::Tensor composed(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn) {
  const int64_t half = cos.size(1);
  const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
  const at::Tensor c = cos.unsqueeze(1);
  const at::Tensor s = turn == Turn::kForward ? sin.unsqueeze(1) : sin.unsqueeze(1).neg();
  return at::cat({a * c - b * s, b * c + a * s, x.slice(-1, 2 * half)}, -1);
}

}  // namespace

void rotate_in_place(at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn) {
  check(x, cos, sin);
  SLMTUNE_ASSERT(has_plain_channels(x), "channels lie side by side");
  if (has_loops(x))
    run(x, cos, sin, turn, x);
  else if (has_cuda_kernels(x) && x.numel() > 0)
    run_cuda(x, cuda_turned(x, x), {}, cos, sin, turn);
  else
    x.copy_(composed(x, cos, sin, turn));
}

void rotate_both_in_place(at::Tensor& queries, at::Tensor& keys, const at::Tensor& cos,
                          const at::Tensor& sin, Turn turn) {
  check(keys, cos, sin);
  const bool in_one_launch = has_cuda_kernels(queries) && queries.numel() > 0 && keys.numel() > 0 &&
                             keys.size(2) == queries.size(2) && has_plain_channels(queries) &&
                             has_plain_channels(keys);
  if (in_one_launch) {
    check(queries, cos, sin);
    run_cuda(queries, cuda_turned(queries, queries), cuda_turned(keys, keys), cos, sin, turn);
    return;
  }
  rotate_in_place(queries, cos, sin, turn);
  rotate_in_place(keys, cos, sin, turn);
}

at::Tensor rotated(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, Turn turn) {
  check(x, cos, sin);
  if (!has_loops(x) && !(has_cuda_kernels(x) && x.numel() > 0)) return composed(x, cos, sin, turn);
  at::Tensor out = at::empty(x.sizes(), x.options());
  const at::Tensor source = has_plain_channels(x) ? x : x.contiguous();
  if (x.is_cuda())
    run_cuda(source, cuda_turned(source, out), {}, cos, sin, turn);
  else
    run(source, cos, sin, turn, out);
  return out;
}

}  // namespace slmtune::kernels
