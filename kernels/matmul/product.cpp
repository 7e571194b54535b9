#include "kernels/matmul/product.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "core/error.h"
#include "kernels/matmul/float_product.h"

namespace slmtune::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Fewer rows do not pay for packing b.
constexpr int64_t kFewestRows = 8;

bool has_rows(const at::Tensor& x) {
  return x.stride(1) == 1 || x.size(1) == 1;
}

bool is_ours(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  static const bool has_instructions = has_float_product();
  if (!has_instructions || !out.is_cpu()) return false;
  for (const at::Tensor* each : {&out, &a, &b})
    if (each->scalar_type() != at::kFloat) return false;
  return out.size(0) >= kFewestRows && has_rows(out) && (has_rows(a) || has_rows(a.t())) &&
         (has_rows(b) || has_rows(b.t()));
}

FloatMatrix matrix_of(const at::Tensor& x) {
  const bool is_transposed = !has_rows(x);
  return {x.const_data_ptr<float>(), x.stride(is_transposed ? 1 : 0), is_transposed};
}

FloatProduct described(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  SLMTUNE_ASSERT(a.size(1) == b.size(0) && out.size(0) == a.size(0) && out.size(1) == b.size(1),
                 "the sizes of a product do not fit");
  return {.a = matrix_of(a),
          .b = matrix_of(b),
          .out = out.mutable_data_ptr<float>(),
          .out_stride = out.stride(0),
          .rows = a.size(0),
          .inner = a.size(1),
          .columns = b.size(1)};
}

struct LinearProduct : torch::autograd::Function<LinearProduct> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& w) {
    context->save_for_backward({x, w});
    return product(x, w.t());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], grad = gradients[0].contiguous();
    variable_list result(2);
    if (context->needs_input_grad(0)) result[0] = product(grad, w);
    if (context->needs_input_grad(1))
      result[1] = product(grad.reshape({-1, w.size(0)}).t(), x.reshape({-1, w.size(1)}));
    return result;
  }
};

}  // namespace

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  std::vector<int64_t> shape = a.sizes().vec();
  shape.back() = b.size(1);
  at::Tensor out = at::empty(shape, a.options()), rows = out.view({-1, b.size(1)});
  product_into(rows, a.dim() == 2 ? a : a.reshape({-1, b.size(0)}), b);
  return out;
}

void product_into(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  if (is_ours(out, a, b))
    float_product(described(out, a, b));
  else
    at::mm_out(out, a, b);
}

void add_product(at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale) {
  const at::NoGradGuard no_graph;
  if (!is_ours(out, a, b)) {
    out.addmm_(a, b, 1.0, scale);
    return;
  }
  const at::Tensor scaled = scale == 1.0 ? a : a.mul(scale);
  FloatProduct sums = described(out, scaled, b);
  sums.adds = true;
  float_product(sums);
}

at::Tensor product_on(const at::Tensor& start, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  if (!is_ours(out, a, b) || start.scalar_type() != at::kFloat)
    return at::addmm_out(out, start, a, b);
  const at::Tensor rows = start.contiguous();
  FloatProduct sums = described(out, a, b);
  sums.addend = rows.const_data_ptr<float>();
  sums.addend_stride = rows.dim() == 2 ? rows.stride(0) : 0;
  float_product(sums);
  return out;
}

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w) {
  return LinearProduct::apply(x, w);
}

}  // namespace slmtune::kernels
