#include "kernels/rms_norm/rms_norm.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"
#include "kernels/parallel.h"
#include "kernels/rms_norm/rms_norm_rows.h"

namespace slmtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows whose weight gradients are summed in one piece: fixed, so that the sum does not depend on
// the thread count.
constexpr int64_t kRowsPerPartialSum = 64;

bool has_cpu_loops(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

NormRows shape_of(const at::Tensor& x, NormForm form) {
  return {x.size(0), x.size(1), form == NormForm::kGemma ? 1.0f : 0.0f, form == NormForm::kLlama};
}

// Calls body(first row, shape of the part) over all threads.
template <typename Body>
void over_rows(const NormRows& shape, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kElementsPerTask / shape.columns);
  parallel_for(0, shape.rows, grain, [&](int64_t begin, int64_t end) {
    NormRows part = shape;
    part.rows = end - begin;
    body(begin, part);
  });
}

template <typename Number>
const Number* numbers(const at::Tensor& x) {
  return static_cast<const Number*>(x.const_data_ptr());
}
template <typename Number>
Number* mutable_numbers(const at::Tensor& x) {
  return static_cast<Number*>(x.mutable_data_ptr());
}

// The type of the loops that `x` is stored in, for body(Number{}).
template <typename Body>
void with_number(const at::Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kFloat)
    body(float{});
  else
    body(BFloat16Bits{});
}

// x += addend first, if there is one.
Normed forward_cpu(const at::Tensor& x, const at::Tensor* addend, const at::Tensor& weight,
                   double eps, NormForm form) {
  Normed result{at::empty_like(x), at::empty({x.size(0)}, x.options().dtype(at::kFloat))};
  const NormRows shape = shape_of(x, form);
  float* scale = result.scale.mutable_data_ptr<float>();
  with_number(x, [&](auto zero) {
    using Number = decltype(zero);
    const auto* w = numbers<Number>(weight);
    auto* out = mutable_numbers<Number>(result.y);
    over_rows(shape, [&](int64_t row, const NormRows& part) {
      const int64_t offset = row * shape.columns;
      if (addend == nullptr)
        rms_norm_rows(numbers<Number>(x) + offset, w, out + offset, scale + row, part, eps);
      else
        add_rms_norm_rows(mutable_numbers<Number>(x) + offset, numbers<Number>(*addend) + offset, w,
                          out + offset, scale + row, part, eps);
    });
  });
  return result;
}

// out = base + gradient, or the gradient alone.
void backward_cpu(const at::Tensor& grad_y, const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& scale, const at::Tensor* base, at::Tensor& out, NormForm form) {
  const NormRows shape = shape_of(x, form);
  with_number(x, [&](auto zero) {
    using Number = decltype(zero);
    over_rows(shape, [&](int64_t row, const NormRows& part) {
      const int64_t offset = row * shape.columns;
      rms_norm_rows_backward(numbers<Number>(grad_y) + offset, numbers<Number>(x) + offset,
                             numbers<Number>(weight), scale.const_data_ptr<float>() + row,
                             base != nullptr ? numbers<Number>(*base) + offset : nullptr,
                             mutable_numbers<Number>(out) + offset, part);
    });
  });
}

at::Tensor weight_gradient_cpu(const at::Tensor& grad_y, const at::Tensor& x,
                               const at::Tensor& scale, NormForm form) {
  const NormRows shape = shape_of(x, form);
  const int64_t pieces = (shape.rows + kRowsPerPartialSum - 1) / kRowsPerPartialSum;
  const at::Tensor partial = at::zeros({pieces, shape.columns}, scale.options());
  float* sums = partial.mutable_data_ptr<float>();
  with_number(x, [&](auto zero) {
    using Number = decltype(zero);
    parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t first = piece * kRowsPerPartialSum, offset = first * shape.columns;
        NormRows part = shape;
        part.rows = std::min(kRowsPerPartialSum, shape.rows - first);
        rms_norm_rows_weight_gradient(numbers<Number>(grad_y) + offset, numbers<Number>(x) + offset,
                                      scale.const_data_ptr<float>() + first,
                                      sums + piece * shape.columns, part);
      }
    });
  });
  return partial.sum(0).to(x.scalar_type());
}

CudaNormForm cuda_form(NormForm form) {
  return form == NormForm::kGemma ? CudaNormForm::kGemma : CudaNormForm::kLlama;
}

// x += addend first, if there is one.
Normed forward_cuda(const at::Tensor& x, const at::Tensor* addend, const at::Tensor& weight,
                    double eps, NormForm form) {
  Normed result{at::empty_like(x), at::empty({x.size(0)}, x.options().dtype(at::kFloat))};
  check_cuda(opened_cuda_module().rms_norm.forward(
                 cuda_rows(x), cuda_form(form),
                 addend != nullptr ? x.mutable_data_ptr() : const_cast<void*>(x.const_data_ptr()),
                 addend != nullptr ? addend->const_data_ptr() : nullptr, weight.const_data_ptr(),
                 result.y.mutable_data_ptr(), result.scale.mutable_data_ptr<float>(), eps,
                 cuda_stream(x.device().index())),
             "rms_norm_forward");
  return result;
}

// out = base + gradient, or the gradient alone.
void backward_cuda(const at::Tensor& grad_y, const at::Tensor& x, const at::Tensor& weight,
                   const at::Tensor& scale, const at::Tensor* base, at::Tensor& out,
                   NormForm form) {
  check_cuda(opened_cuda_module().rms_norm.backward(
                 cuda_rows(x), cuda_form(form), grad_y.const_data_ptr(), x.const_data_ptr(),
                 weight.const_data_ptr(), scale.const_data_ptr<float>(),
                 base != nullptr ? base->const_data_ptr() : nullptr, out.mutable_data_ptr(),
                 cuda_stream(x.device().index())),
             "rms_norm_backward");
}

at::Tensor weight_gradient_cuda(const at::Tensor& grad_y, const at::Tensor& x,
                                const at::Tensor& scale, NormForm form) {
  const CudaRmsNorm& kernels = opened_cuda_module().rms_norm;
  at::Tensor grad_weight = at::empty({x.size(1)}, x.options());
  const at::Tensor partial =
      at::empty({kernels.partial_rows(x.size(0)), x.size(1)}, scale.options());
  check_cuda(kernels.weight_gradient(
                 cuda_rows(x), cuda_form(form), grad_y.const_data_ptr(), x.const_data_ptr(),
                 scale.const_data_ptr<float>(), grad_weight.mutable_data_ptr(),
                 partial.mutable_data_ptr<float>(), cuda_stream(x.device().index())),
             "rms_norm_weight_gradient");
  return grad_weight;
}

// The definition in LibTorch's own operators: the reference of the loops, and the path of the other
// dtypes and devices.
at::Tensor scale_composed(const at::Tensor& x, double eps) {
  return at::rsqrt(x.to(wide_type(x)).square().mean(-1, true) + eps);
}

at::Tensor weighted(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& weight,
                    NormForm form) {
  const at::Tensor normed = x.to(scale.scalar_type()) * scale;
  if (form == NormForm::kLlama) return normed.to(x.scalar_type()) * weight;
  return (normed * (weight.to(scale.scalar_type()) + 1.0)).to(x.scalar_type());
}

at::Tensor composed(const at::Tensor& x, const at::Tensor& weight, double eps, NormForm form) {
  return weighted(x, scale_composed(x, eps), weight, form);
}

at::Tensor backward_composed(const at::Tensor& grad_y, const at::Tensor& x,
                             const at::Tensor& weight, const at::Tensor& scale, NormForm form) {
  const at::ScalarType wide = wide_type(x);
  const at::Tensor w = weight.to(wide) + (form == NormForm::kGemma ? 1.0 : 0.0);
  const at::Tensor factor = scale.unsqueeze(-1), n = x.to(wide) * factor;
  const at::Tensor g = grad_y.to(wide) * w;
  return (factor * (g - n * (g * n).mean(-1, true))).to(x.scalar_type());
}

at::Tensor backward_of(const at::Tensor& grad_y, const at::Tensor& x, const at::Tensor& weight,
                       const at::Tensor& scale, const at::Tensor* base, NormForm form) {
  if (!(has_cpu_loops(x) || has_cuda_kernels(x)) || x.numel() == 0) {
    const at::Tensor gradient = backward_composed(grad_y, x, weight, scale, form);
    return base != nullptr ? *base + gradient : gradient;
  }
  at::Tensor out = at::empty_like(x);
  if (x.is_cuda())
    backward_cuda(grad_y, x, weight, scale, base, out, form);
  else
    backward_cpu(grad_y, x, weight, scale, base, out, form);
  return out;
}

// Hand-written forward and backward; x is [rows, D] and contiguous. First derivatives only.
class RmsNormRows : public torch::autograd::Function<RmsNormRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps, NormForm form) {
    Normed result = rms_norm_forward(x, weight, eps, form);
    context->save_for_backward({x, weight, result.scale});
    context->saved_data["form"] = static_cast<int64_t>(form);
    return result.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const auto form = static_cast<NormForm>(context->saved_data["form"].toInt());
    const at::Tensor grad_y = gradients[0].contiguous();
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0)) grad_x = rms_norm_backward(grad_y, x, weight, scale, form);
    if (context->needs_input_grad(1))
      grad_weight = x.is_cuda() ? weight_gradient_cuda(grad_y, x, scale, form)
                                : weight_gradient_cpu(grad_y, x, scale, form);
    return {grad_x, grad_weight, at::Tensor(), at::Tensor()};
  }
};

void check(const at::Tensor& x, const at::Tensor& weight) {
  SLMTUNE_ASSERT(x.dim() >= 1 && weight.dim() == 1 && x.size(-1) == weight.size(0),
                 "the weight has one value per column");
  SLMTUNE_ASSERT(x.scalar_type() == weight.scalar_type(), "x and its norm's weight have one dtype");
}

void check_rows(const at::Tensor& x, const at::Tensor& other) {
  SLMTUNE_ASSERT(x.dim() == 2 && x.is_contiguous() && other.is_contiguous() &&
                     other.sizes() == x.sizes() && other.scalar_type() == x.scalar_type(),
                 "rows are contiguous, of one shape and dtype");
}

}  // namespace

Normed rms_norm_forward(const at::Tensor& x, const at::Tensor& weight, double eps, NormForm form) {
  check(x, weight);
  check_rows(x, x);
  if (has_cpu_loops(x) && x.numel() > 0) return forward_cpu(x, nullptr, weight, eps, form);
  if (has_cuda_kernels(x) && x.numel() > 0) return forward_cuda(x, nullptr, weight, eps, form);
  const at::Tensor scale = scale_composed(x, eps);
  return {weighted(x, scale, weight, form), scale.squeeze(-1)};
}

Normed add_rms_norm(at::Tensor& x, const at::Tensor& addend, const at::Tensor& weight, double eps,
                    NormForm form) {
  check(x, weight);
  check_rows(x, addend);
  if (has_cpu_loops(x) && x.numel() > 0) return forward_cpu(x, &addend, weight, eps, form);
  if (has_cuda_kernels(x) && x.numel() > 0) return forward_cuda(x, &addend, weight, eps, form);
  x.add_(addend);
  return rms_norm_forward(x, weight, eps, form);
}

at::Tensor rms_norm_backward_on(const at::Tensor& base, const at::Tensor& grad_y,
                                const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& scale, NormForm form) {
  check(x, weight);
  check_rows(x, grad_y);
  check_rows(x, base);
  return backward_of(grad_y, x, weight, scale, &base, form);
}

at::Tensor rms_norm_backward(const at::Tensor& grad_y, const at::Tensor& x,
                             const at::Tensor& weight, const at::Tensor& scale, NormForm form) {
  check(x, weight);
  check_rows(x, grad_y);
  return backward_of(grad_y, x, weight, scale, nullptr, form);
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, NormForm form) {
  check(x, weight);
  if (x.numel() == 0 || !(has_cpu_loops(x) || has_cuda_kernels(x)))
    return composed(x, weight, eps, form);
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).contiguous(), scale = weight.contiguous();
  const bool records = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
  const at::Tensor y = records ? RmsNormRows::apply(rows, scale, eps, form)
                               : rms_norm_forward(rows, scale, eps, form).y;
  return y.view(x.sizes());
}

}  // namespace slmtune::kernels
