#include "kernels/attention/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/error.h"
#include "kernels/attention/attention_cpu.h"
#include "kernels/attention/attention_path.h"
#include "kernels/attention/exact_attention.h"
#include "kernels/attention/library_attention.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/cuda_module.h"

namespace slmtune::kernels {
namespace {

void check_heads(const at::Tensor& x, const at::Tensor& like) {
  SLMTUNE_ASSERT(x.device() == like.device() && x.dim() == 3 && x.size(0) == like.size(0) &&
                     x.size(2) == like.size(2) && x.scalar_type() == like.scalar_type(),
                 "q, k, v and their gradients are [T, heads, hd] of one dtype and device");
  SLMTUNE_ASSERT(x.stride(2) == 1 || x.size(2) <= 1, "channels lie side by side");
}

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const RowStarts& rows) {
  for (const at::Tensor* x : {&q, &k, &v}) check_heads(*x, q);
  const at::ScalarType type = q.scalar_type();
  SLMTUNE_ASSERT(type == at::kFloat || type == at::kBFloat16 || type == at::kDouble,
                 "attention is float32, bfloat16 or float64");
  SLMTUNE_ASSERT(k.sizes() == v.sizes() && k.size(1) > 0 && q.size(1) % k.size(1) == 0,
                 "query heads share key heads evenly");
  const std::vector<int64_t>& starts = rows.starts;
  SLMTUNE_ASSERT(!starts.empty() && starts.front() == 0 && starts.back() == q.size(0) &&
                     std::is_sorted(starts.begin(), starts.end()),
                 "rows cover all tokens");
}

bool starts_at_16_bytes(const at::Tensor& x) {
  const auto size = static_cast<int64_t>(x.element_size());
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0 &&
         x.stride(0) * size % 16 == 0 && x.stride(1) * size % 16 == 0;
}

AttentionNumber number_of(const at::Tensor& x) {
  if (x.scalar_type() == at::kDouble) return AttentionNumber::kFloat64;
  return x.scalar_type() == at::kFloat ? AttentionNumber::kFloat32 : AttentionNumber::kBFloat16;
}

AttentionPath path_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const RowStarts& rows, const AttentionOptions& options) {
  AttentionShape shape{.number = number_of(q),
                       .head_dim = q.size(2),
                       .has_soft_cap = options.soft_cap > 0.0,
                       .on_cpu = q.is_cpu(),
                       .tokens = q.size(0),
                       .rows = rows.rows(),
                       .heads = q.size(1)};
  if (shape.on_cpu) return attention_path(shape);
  shape.is_aligned = starts_at_16_bytes(q) && starts_at_16_bytes(k) && starts_at_16_bytes(v);
  const std::optional<CudaDevice>& gpu = opened_cuda_device();
  shape.capability = gpu ? gpu->capability : 0;
  return attention_path(shape);
}

CudaHeads cuda_heads(const at::Tensor& x) {
  return {x.const_data_ptr(), x.stride(0), x.stride(1)};
}
CudaMutableHeads mutable_cuda_heads(at::Tensor& x) {
  return {x.mutable_data_ptr(), x.stride(0), x.stride(1)};
}

CudaAttentionCase case_of(const at::Tensor& q, const at::Tensor& k, const RowStarts& rows,
                          const AttentionOptions& options) {
  return {.offsets = rows.offsets.const_data_ptr<int32_t>(),
          .rows = rows.rows(),
          .tokens = q.size(0),
          .longest = rows.longest,
          .heads = q.size(1),
          .key_heads = k.size(1),
          .width = q.size(2),
          .window = noticed_window(options.window, rows.longest),
          .scale = static_cast<float>(options.scale),
          .soft_cap = static_cast<float>(options.soft_cap),
          .element = q.scalar_type() == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16};
}

Attended forward_by_kernel(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const RowStarts& rows, const AttentionOptions& options, bool in_tiles) {
  Attended attended{at::empty(q.sizes(), q.options()),
                    at::empty({q.size(1), q.size(0)}, q.options().dtype(at::kFloat)),
                    {}};
  const CudaAttention& table = opened_cuda_module().attention;
  const auto launch = in_tiles ? table.tiled_forward : table.plain_forward;
  check_cuda(launch(case_of(q, k, rows, options), {cuda_heads(q), cuda_heads(k), cuda_heads(v)},
                    attended.out.mutable_data_ptr(), attended.log_sum.mutable_data_ptr<float>(),
                    cuda_stream(q.device().index())),
             "attention_forward");
  return attended;
}

void backward_by_kernel(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, const Attended& attended, const RowStarts& rows,
                        const AttentionOptions& options, AttentionGradients& gradients,
                        bool in_tiles) {
  const at::Tensor gradient = grad_out.contiguous();
  const at::Tensor shared = at::empty_like(attended.log_sum);
  const CudaAttention& table = opened_cuda_module().attention;
  const auto launch = in_tiles ? table.tiled_backward : table.plain_backward;
  check_cuda(launch(case_of(q, k, rows, options), {cuda_heads(q), cuda_heads(k), cuda_heads(v)},
                    {gradient.const_data_ptr(), attended.out.const_data_ptr(),
                     attended.log_sum.const_data_ptr<float>(), shared.mutable_data_ptr<float>()},
                    {mutable_cuda_heads(gradients.q), mutable_cuda_heads(gradients.k),
                     mutable_cuda_heads(gradients.v)},
                    cuda_stream(q.device().index())),
             "attention_backward");
}

Attended forward_exact(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const RowStarts& rows, const AttentionOptions& options) {
  Attended attended{at::empty(q.sizes(), q.options()), {}, {}};
  for (size_t row = 0; row + 1 < rows.starts.size(); ++row) {
    const auto part = [&](const at::Tensor& x) {
      return x.slice(0, rows.starts[row], rows.starts[row + 1]);
    };
    part(attended.out)
        .copy_(exact_attention(part(q), part(k).transpose(0, 1), part(v).transpose(0, 1), options));
  }
  return attended;
}

void backward_exact(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v, const Attended& attended, const RowStarts& rows,
                    const AttentionOptions& options, AttentionGradients& gradients) {
  for (size_t row = 0; row + 1 < rows.starts.size(); ++row) {
    const auto part = [&](const at::Tensor& x) {
      return x.slice(0, rows.starts[row], rows.starts[row + 1]);
    };
    const ExactGradients made =
        exact_attention_backward(part(grad_out), part(q), part(k).transpose(0, 1),
                                 part(v).transpose(0, 1), part(attended.out), options);
    part(gradients.q).copy_(made.q);
    part(gradients.k).copy_(made.keys.transpose(0, 1));
    part(gradients.v).copy_(made.values.transpose(0, 1));
  }
}

// Where the caller wants it, or, if the caller does not mind, where it is.
void hand_over(at::Tensor made, at::Tensor& target) {
  if (target.defined())
    target.copy_(made);
  else
    target = made.contiguous();
}

void make_if_undefined(at::Tensor& target, const at::Tensor& like) {
  if (!target.defined()) target = at::empty(like.sizes(), like.options());
}

}  // namespace

Attended attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const RowStarts& rows, const AttentionOptions& options) {
  check(q, k, v, rows);
  const AttentionPath path = path_of(q, k, v, rows, options);
  if (path == AttentionPath::kLoops) return attention_forward_cpu(q, k, v, rows.starts, options);
  if (q.numel() == 0 || path == AttentionPath::kExact) return forward_exact(q, k, v, rows, options);
  const RowStarts there = rows.on(q.device());
  if (path == AttentionPath::kFlash) return flash_forward(q, k, v, there, options);
  if (path == AttentionPath::kEfficient) return efficient_forward(q, k, v, there, options);
  return forward_by_kernel(q, k, v, there, options, path == AttentionPath::kTensorCores);
}

void attention_backward(const at::Tensor& grad_out, const at::Tensor& q, const at::Tensor& k,
                        const at::Tensor& v, const Attended& attended, const RowStarts& rows,
                        const AttentionOptions& options, at::Tensor& dq, at::Tensor& dk,
                        at::Tensor& dv) {
  check(q, k, v, rows);
  check_heads(grad_out, q);
  check_heads(attended.out, q);
  const AttentionPath path = path_of(q, k, v, rows, options);
  const bool is_library = path == AttentionPath::kFlash || path == AttentionPath::kEfficient;
  if (is_library && q.numel() > 0) {
    const RowStarts there = rows.on(q.device());
    const auto backward = path == AttentionPath::kFlash ? flash_backward : efficient_backward;
    AttentionGradients made = backward(grad_out, q, k, v, attended, there, options);
    hand_over(std::move(made.q), dq);
    hand_over(std::move(made.k), dk);
    hand_over(std::move(made.v), dv);
    return;
  }
  make_if_undefined(dq, q);
  make_if_undefined(dk, k);
  make_if_undefined(dv, v);
  for (const at::Tensor* x : {&std::as_const(dq), &std::as_const(dk), &std::as_const(dv)})
    check_heads(*x, q);
  AttentionGradients gradients{dq, dk, dv};
  if (path == AttentionPath::kLoops)
    attention_backward_cpu(grad_out, q, k, v, attended, rows.starts, options, dq, dk, dv);
  else if (q.numel() == 0 || path == AttentionPath::kExact)
    backward_exact(grad_out, q, k, v, attended, rows, options, gradients);
  else
    backward_by_kernel(grad_out, q, k, v, attended, rows.on(q.device()), options, gradients,
                       path == AttentionPath::kTensorCores);
}

}  // namespace slmtune::kernels
