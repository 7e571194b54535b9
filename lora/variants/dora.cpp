#include "lora/variants/dora.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace slmtune::lora {
namespace {

constexpr double kShortest = 1e-12;  // a row of zeros stays one, where 0 / 0 would be no number

at::Tensor lengths(const at::Tensor& matrix) {
  return at::linalg_vector_norm(matrix, 2, at::IntArrayRef{1});
}

}  // namespace

DoraAdapter::DoraAdapter(const AdapterShape& shape, double scale, const kernels::FrozenWeight& base,
                         const at::Generator& random)
    : pair_(shape, random), scale_(scale), dropout_(shape.dropout) {
  const at::NoGradGuard no_gradients;
  const at::Tensor weight = base.dense(shape.dtype);
  // A model without values has no lengths; its adapter is filled from a file and merged, for which
  // they are not needed.
  base_lengths_ = weight.is_meta() ? at::zeros({shape.out}, pair_.b.options())
                                   : lengths(weight).to(shape.device);
  magnitude_ = base_lengths_.clone();
  for (at::Tensor* tensor : {&pair_.a, &pair_.b, &magnitude_}) tensor->set_requires_grad(true);
}

// ‖w + s·b·A‖² = ‖w‖² + 2s·(w·Aᵀ)·bᵀ + s²·b·(A·Aᵀ)·bᵀ for each row w of W and b of B.
at::Tensor DoraAdapter::row_lengths(const kernels::FrozenWeight& base, at::ScalarType dtype) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor &a = pair_.a, &b = pair_.b;
  const at::Tensor crossed = base.matmul(a.to(dtype)).to(a.scalar_type()).t();  // [out, rank]
  const at::Tensor added = (crossed * (2.0 * scale_) + b.mm(a.mm(a.t())) * (scale_ * scale_)) * b;
  return (base_lengths_.square() + added.sum(1)).clamp_min(kShortest * kShortest).sqrt();
}

at::Tensor DoraAdapter::apply(const at::Tensor& x, const at::Tensor& base_out,
                              const kernels::FrozenWeight& base) const {
  const at::ScalarType compute = pair_.a.scalar_type(), activations = base_out.scalar_type();
  at::Tensor input = x.reshape({-1, x.size(-1)}).to(compute);
  const at::Tensor from_base = base_out.reshape({-1, base_out.size(-1)}).to(compute);
  const at::Tensor ratio = magnitude_ / row_lengths(base, activations);
  at::Tensor out;
  if (training && dropout_ > 0.0) {
    input = at::dropout(input, dropout_, /*train=*/true);
    out = from_base + (ratio - 1.0) * base.matmul(input.to(activations)).to(compute);
  } else {
    out = ratio * from_base;
  }
  out = out + ratio * input.mm(pair_.a.t()).mm(pair_.b.t()) * scale_;
  return out.to(activations).view(base_out.sizes());
}

at::Tensor DoraAdapter::merged(const at::Tensor& dense_base) const {
  const at::NoGradGuard no_gradients;
  const at::Tensor sum = at::addmm(dense_base.to(pair_.a.device(), pair_.a.scalar_type()), pair_.b,
                                   pair_.a, 1.0, scale_);
  return sum * (magnitude_ / lengths(sum).clamp_min(kShortest)).unsqueeze(1);
}

std::map<std::string, at::Tensor*> DoraAdapter::parameters() {
  return {{"lora_A.weight", &pair_.a},
          {"lora_B.weight", &pair_.b},
          {"lora_magnitude_vector", &magnitude_}};
}

}  // namespace slmtune::lora
