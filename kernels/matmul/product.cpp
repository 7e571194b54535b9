#include "kernels/matmul/product.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/cpu/Utils.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "core/error.h"
#include "kernels/matmul/bf16_factors.h"
#include "kernels/matmul/tiled_product.h"

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
  const at::ScalarType type = a.scalar_type();
  return out.is_cpu() && multiplies_in_tiles(type) && b.scalar_type() == type &&
         (out.scalar_type() == type || out.scalar_type() == at::kFloat) &&
         out.size(0) >= kFewestRows && has_rows(out) && (has_rows(b) || has_rows(b.t()));
}

template <typename Number>
Operand<Number> operand_of(const at::Tensor& x) {
  const bool is_transposed = !has_rows(x);
  return {static_cast<const Number*>(x.const_data_ptr()), x.stride(is_transposed ? 1 : 0),
          is_transposed};
}

// What is added to `scale` times the product: as wide, of its rows or one for all.
struct Addend {
  at::Tensor values = {};
  double scale = 1.0;
  at::Tensor low_a = {}, low_b = {};
};

template <typename Number, typename Result>
void multiply_numbers(at::Tensor& out, const Operand<Number>& a, const at::Tensor& b,
                      const Addend& addend) {
  TiledProduct<Number, Result> product{.a = a,
                                       .b = operand_of<Number>(b),
                                       .out = static_cast<Result*>(out.mutable_data_ptr()),
                                       .out_stride = out.stride(0),
                                       .rows = out.size(0),
                                       .inner = b.size(0),
                                       .columns = b.size(1)};
  if (addend.values.defined()) {
    product.addend = static_cast<const Result*>(addend.values.const_data_ptr());
    product.addend_stride = addend.values.dim() == 2 ? addend.values.stride(0) : 0;
    product.scale = static_cast<float>(addend.scale);
  }
  if (addend.low_a.defined()) {
    product.low_a = operand_of<Number>(addend.low_a);
    product.low_b = operand_of<Number>(addend.low_b);
    product.low_inner = addend.low_a.size(1);
  }
  multiply_tiled(product);
}

void multiply_bfloat16(at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
                       const Addend& addend) {
  const auto with = [&](const Operand<BFloat16Bits>& operand) {
    if (out.scalar_type() == at::kFloat)
      multiply_numbers<BFloat16Bits, float>(out, operand, b, addend);
    else
      multiply_numbers<BFloat16Bits, BFloat16Bits>(out, operand, b, addend);
  };
  if (has_rows(a)) return with(operand_of<BFloat16Bits>(a));
  const at::Tensor x = has_rows(a.t()) ? a.t() : a.t().contiguous();
  const int64_t inner = x.size(0), rows = x.size(1);
  const at::Tensor pairs = at::empty({(inner + 1) / 2, 2 * rows}, x.options());
  auto* numbers = static_cast<BFloat16Bits*>(pairs.mutable_data_ptr());
  pair_rows(static_cast<const BFloat16Bits*>(x.const_data_ptr()), x.stride(0), inner, rows,
            numbers);
  with({numbers, 2 * rows, true});
}

void multiply(at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
              const Addend& addend = {}) {
  SLMTUNE_ASSERT(a.size(1) == b.size(0) && out.size(0) == a.size(0) && out.size(1) == b.size(1),
                 "the sizes of a product do not fit");
  if (a.scalar_type() == at::kBFloat16) return multiply_bfloat16(out, a, b, addend);
  const at::Tensor rows = has_rows(a) || has_rows(a.t()) ? a : a.contiguous();
  multiply_numbers<float, float>(out, operand_of<float>(rows), b, addend);
}

struct LinearProduct : torch::autograd::Function<LinearProduct> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& w) {
    // Only the gradient of w is made of x.
    context->save_for_backward({w.requires_grad() ? x : at::Tensor(), w});
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

bool multiplies_in_tiles(at::ScalarType type) {
  // Intel's matrix unit is faster still.
  static const bool of_float = has_tiled_product<float>(),
                    of_bfloat16 = has_tiled_product<BFloat16Bits>() && !at::cpu::init_amx();
  return type == at::kFloat ? of_float : type == at::kBFloat16 && of_bfloat16;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  std::vector<int64_t> shape = a.sizes().vec();
  shape.back() = b.size(1);
  at::Tensor out = at::empty(shape, a.options()), rows = out.view({-1, b.size(1)});
  product_into(rows, a.dim() == 2 ? a : a.reshape({-1, b.size(0)}), b);
  return out;
}

at::Tensor product_as(at::ScalarType type, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  if (type == a.scalar_type()) return product(a, b);
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options().dtype(type));
  if (!is_ours(out, a, b)) return a.mm(b).to(type);
  multiply(out, a, b);
  return out;
}

void product_into(at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  if (is_ours(out, a, b))
    multiply(out, a, b);
  else
    at::mm_out(out, a, b);
}

void add_product(at::Tensor& out, const at::Tensor& a, const at::Tensor& b, double scale) {
  const at::NoGradGuard no_graph;
  if (is_ours(out, a, b))
    multiply(out, a, b, {out, scale});
  else
    out.addmm_(a, b, 1.0, scale);
}

at::Tensor product_on(const at::Tensor& start, const at::Tensor& a, const at::Tensor& b) {
  const at::NoGradGuard no_graph;
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  if (!is_ours(out, a, b) || start.scalar_type() != out.scalar_type())
    return at::addmm_out(out, start, a, b);
  multiply(out, a, b, {start.contiguous()});
  return out;
}

at::Tensor product_with(const at::Tensor& start, const at::Tensor& a, const at::Tensor& b,
                        const LowProduct& low) {
  const at::NoGradGuard no_graph;
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  const bool is_one_product = is_ours(out, a, b) && is_ours(out, low.a, low.b) && has_rows(low.a) &&
                              low.a.size(1) <= kMostLowInner &&
                              (!start.defined() || start.scalar_type() == out.scalar_type());
  if (!is_one_product) {
    at::Tensor sum = start.defined() ? product_on(start, a, b) : product(a, b);
    add_product(sum, low.a, low.b, low.scale);
    return sum;
  }
  const at::Tensor low_b = low.scale == 1.0 ? low.b : low.b * low.scale;
  multiply(
      out, a, b,
      {.values = start.defined() ? start.contiguous() : start, .low_a = low.a, .low_b = low_b});
  return out;
}

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& w) {
  return LinearProduct::apply(x, w);
}

}  // namespace slmtune::kernels
