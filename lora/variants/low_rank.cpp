#include "lora/variants/low_rank.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace slmtune::lora {

LowRankPair::LowRankPair(const AdapterShape& shape, const at::Generator& random) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(shape.in));
  const auto options = at::TensorOptions().dtype(shape.dtype).device(shape.device);
  // Drawn in float32 on the CPU, so that the same seed means the same adapter everywhere.
  a = at::empty({shape.rank, shape.in}, at::kFloat).uniform_(-bound, bound, random).to(options);
  b = at::zeros({shape.out, shape.rank}, options);
}

at::Tensor add_low_rank(const at::Tensor& base_out, const at::Tensor& x, const at::Tensor& a,
                        const at::Tensor& b, double scale) {
  const at::Tensor low = x.mm(a.t());  // [N, rank]
  if (base_out.scalar_type() == a.scalar_type() && base_out.dim() == 2)
    return at::Tensor(base_out).addmm_(low, b.t(), 1.0, scale);
  // PEFT adds in float32 and rounds once to the activations' dtype.
  const at::Tensor base = base_out.reshape({-1, base_out.size(-1)}).to(a.scalar_type());
  return at::addmm(base, low, b.t(), 1.0, scale).to(base_out.scalar_type()).view(base_out.sizes());
}

LowRankAdapter::LowRankAdapter(const AdapterShape& shape, double scale, const at::Generator& random)
    : pair_(shape, random), scale_(scale), dropout_(shape.dropout) {
  pair_.a.set_requires_grad(true);
  pair_.b.set_requires_grad(true);
}

at::Tensor LowRankAdapter::apply(const at::Tensor& x, const at::Tensor& base_out,
                                 const kernels::FrozenWeight&) const {
  at::Tensor input = x.reshape({-1, x.size(-1)}).to(pair_.a.scalar_type());
  if (training && dropout_ > 0.0) input = at::dropout(input, dropout_, /*train=*/true);
  return add_low_rank(base_out, input, pair_.a, pair_.b, scale_);
}

std::optional<models::LowRank> LowRankAdapter::low_rank() const {
  if (training && dropout_ > 0.0) return std::nullopt;
  return models::LowRank{pair_.a, pair_.b, scale_};
}

at::Tensor LowRankAdapter::merged(const at::Tensor& dense_base) const {
  const at::NoGradGuard no_gradients;
  return at::addmm(dense_base.to(pair_.a.device(), pair_.a.scalar_type()), pair_.b, pair_.a, 1.0,
                   scale_);
}

std::map<std::string, at::Tensor*> LowRankAdapter::parameters() {
  return {{"lora_A.weight", &pair_.a}, {"lora_B.weight", &pair_.b}};
}

}  // namespace slmtune::lora
