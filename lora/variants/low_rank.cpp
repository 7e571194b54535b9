#include "lora/variants/low_rank.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace slmtune::lora {

LowRankAdapter::LowRankAdapter(const AdapterShape& shape, double scale, at::Generator random)
    : scale_(scale), dropout_(shape.dropout) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(shape.in));
  const auto options = at::TensorOptions().dtype(shape.dtype).device(shape.device);
  // Drawn in float32 on the CPU, so that the same seed means the same adapter everywhere.
  a_ = at::empty({shape.rank, shape.in}, at::kFloat)
           .uniform_(-bound, bound, random)
           .to(options)
           .set_requires_grad(true);
  b_ = at::zeros({shape.out, shape.rank}, options).set_requires_grad(true);
}

at::Tensor LowRankAdapter::apply(const at::Tensor& x, const at::Tensor& base_out,
                                 const kernels::FrozenWeight&) const {
  const at::ScalarType compute = a_.scalar_type();
  at::Tensor input = x.reshape({-1, x.size(-1)}).to(compute);
  if (training && dropout_ > 0.0) input = at::dropout(input, dropout_, /*train=*/true);
  const at::Tensor low = input.mm(a_.t());  // [N, rank]
  if (base_out.scalar_type() == compute && base_out.dim() == 2)
    return at::Tensor(base_out).addmm_(low, b_.t(), 1.0, scale_);
  // PEFT adds in float32 and rounds once to the activations' dtype.
  const at::Tensor base = base_out.reshape({-1, base_out.size(-1)}).to(compute);
  return at::addmm(base, low, b_.t(), 1.0, scale_)
      .to(base_out.scalar_type())
      .view(base_out.sizes());
}

at::Tensor LowRankAdapter::merged(const at::Tensor& dense_base) const {
  const at::NoGradGuard no_gradients;
  return at::addmm(dense_base.to(a_.device(), a_.scalar_type()), b_, a_, 1.0, scale_);
}

std::map<std::string, at::Tensor*> LowRankAdapter::parameters() {
  return {{"lora_A.weight", &a_}, {"lora_B.weight", &b_}};
}

}  // namespace slmtune::lora
