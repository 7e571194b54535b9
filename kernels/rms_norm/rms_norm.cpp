#include "kernels/rms_norm/rms_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/rms_norm/rms_norm_rows.h"

namespace slmtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Below this many elements a second thread costs more than it saves.
constexpr int64_t kElementsPerTask = 16384;
// Rows whose weight gradients are summed in one piece: fixed, so that the sum does not depend on
// the thread count.
constexpr int64_t kRowsPerPartialSum = 64;

struct Normed {
  at::Tensor y;      // [rows, D]
  at::Tensor scale;  // [rows] float32
};

int64_t row_grain(int64_t columns) {
  return std::max<int64_t>(1, kElementsPerTask / columns);
}

Normed forward_cpu(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const int64_t rows = x.size(0), columns = x.size(1);
  Normed result{at::empty_like(x), at::empty({rows}, x.options().dtype(at::kFloat))};
  const float* in = x.const_data_ptr<float>();
  const float* w = weight.const_data_ptr<float>();
  float* out = result.y.mutable_data_ptr<float>();
  float* scale = result.scale.mutable_data_ptr<float>();
  at::parallel_for(0, rows, row_grain(columns), [&](int64_t begin, int64_t end) {
    rms_norm_rows(in + begin * columns, w, out + begin * columns, scale + begin, end - begin,
                  columns, eps);
  });
  return result;
}

at::Tensor input_gradient_cpu(const at::Tensor& grad_y, const at::Tensor& x,
                              const at::Tensor& weight, const at::Tensor& scale) {
  const int64_t rows = x.size(0), columns = x.size(1);
  at::Tensor grad_x = at::empty_like(x);
  const float *dy = grad_y.const_data_ptr<float>(), *in = x.const_data_ptr<float>();
  const float *w = weight.const_data_ptr<float>(), *s = scale.const_data_ptr<float>();
  float* dx = grad_x.mutable_data_ptr<float>();
  at::parallel_for(0, rows, row_grain(columns), [&](int64_t begin, int64_t end) {
    const int64_t offset = begin * columns;
    rms_norm_rows_backward(dy + offset, in + offset, w, s + begin, dx + offset, end - begin,
                           columns);
  });
  return grad_x;
}

at::Tensor weight_gradient_cpu(const at::Tensor& grad_y, const at::Tensor& x,
                               const at::Tensor& scale) {
  const int64_t rows = x.size(0), columns = x.size(1);
  const int64_t pieces = (rows + kRowsPerPartialSum - 1) / kRowsPerPartialSum;
  at::Tensor partial = at::zeros({pieces, columns}, x.options());
  const float *dy = grad_y.const_data_ptr<float>(), *in = x.const_data_ptr<float>(),
              *s = scale.const_data_ptr<float>();
  float* sums = partial.mutable_data_ptr<float>();
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * kRowsPerPartialSum;
      const int64_t count = std::min(kRowsPerPartialSum, rows - first);
      rms_norm_rows_weight_gradient(dy + first * columns, in + first * columns, s + first,
                                    sums + piece * columns, count, columns);
    }
  });
  return partial.sum(0);
}

CudaRows cuda_rows(const at::Tensor& x) {
  return {x.size(0), x.size(1),
          x.scalar_type() == at::kBFloat16 ? CudaElement::kBF16 : CudaElement::kF32,
          x.device().index()};
}

Normed forward_cuda(const at::Tensor& x, const at::Tensor& weight, double eps) {
  Normed result{at::empty_like(x), at::empty({x.size(0)}, x.options().dtype(at::kFloat))};
  check_cuda(opened_cuda_module().rms_norm_forward(
                 cuda_rows(x), x.const_data_ptr(), weight.const_data_ptr(),
                 result.y.mutable_data_ptr(), result.scale.mutable_data_ptr<float>(), eps),
             "rms_norm_forward");
  return result;
}

// Gradient to x, and to the weight when `with_weight`.
variable_list backward_cuda(const at::Tensor& grad_y, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& scale, bool with_weight) {
  const CudaModule& module = opened_cuda_module();
  at::Tensor grad_x = at::empty_like(x), grad_weight, partial;
  if (with_weight) {
    grad_weight = at::empty_like(weight);
    partial = at::empty({module.rms_norm_partial_rows(x.size(0)), x.size(1)}, scale.options());
  }
  check_cuda(module.rms_norm_backward(cuda_rows(x), grad_y.const_data_ptr(), x.const_data_ptr(),
                                      weight.const_data_ptr(), scale.const_data_ptr<float>(),
                                      grad_x.mutable_data_ptr(),
                                      with_weight ? grad_weight.mutable_data_ptr() : nullptr,
                                      with_weight ? partial.mutable_data_ptr<float>() : nullptr),
             "rms_norm_backward");
  return {grad_x, grad_weight};
}

Normed forward_rows(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x.is_cuda() ? forward_cuda(x, weight, eps) : forward_cpu(x, weight, eps);
}

// Contiguous and, for the CUDA kernels, starting at a multiple of 16 bytes.
at::Tensor plain(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  if (!tensor.is_cuda() || reinterpret_cast<uintptr_t>(contiguous.const_data_ptr()) % 16 == 0)
    return contiguous;
  return contiguous.clone();
}

// Hand-written forward and backward; x is [rows, D] and contiguous. First derivatives only.
class RmsNormRows : public torch::autograd::Function<RmsNormRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            double eps) {
    Normed result = forward_rows(x, weight, eps);
    context->save_for_backward({x, weight, result.scale});
    return result.y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const at::Tensor grad_y = plain(gradients[0]);
    const bool with_weight = context->needs_input_grad(1);
    if (x.is_cuda()) {
      variable_list both = backward_cuda(grad_y, x, weight, scale, with_weight);
      return {both[0], both[1], at::Tensor()};
    }
    at::Tensor grad_x, grad_weight;
    if (context->needs_input_grad(0)) grad_x = input_gradient_cpu(grad_y, x, weight, scale);
    if (with_weight) grad_weight = weight_gradient_cpu(grad_y, x, scale);
    return {grad_x, grad_weight, at::Tensor()};
  }
};

// The definition in LibTorch's own operators: the reference of the loops, and the path of the other
// dtypes.
at::Tensor composed(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor w = x.to(wide);
  return (w * at::rsqrt(w.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

// CUDA kernels move 16 bytes at a time, so rows must be a multiple of that.
bool has_loops(const at::Tensor& x) {
  if (!x.is_cuda()) return x.scalar_type() == at::kFloat;
  const bool is_known = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return is_known && x.size(-1) * static_cast<int64_t>(x.element_size()) % 16 == 0;
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  SLMTUNE_ASSERT(x.dim() >= 1 && weight.dim() == 1 && x.size(-1) == weight.size(0),
                 "the weight has one value per column");
  SLMTUNE_ASSERT(x.scalar_type() == weight.scalar_type(), "x and its norm's weight have one dtype");
  if (!has_loops(x) || x.numel() == 0) return composed(x, weight, eps);
  const at::Tensor rows = plain(x.reshape({-1, x.size(-1)})), scale = plain(weight);
  const bool records = at::GradMode::is_enabled() && (x.requires_grad() || weight.requires_grad());
  const at::Tensor y =
      records ? RmsNormRows::apply(rows, scale, eps) : forward_rows(rows, scale, eps).y;
  return y.view(x.sizes());
}

}  // namespace slmtune::kernels
