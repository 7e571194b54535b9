#include "lora/variants/principal.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace slmtune::lora {
namespace {

// Smaller sides up to this are decomposed exactly; of a whole model of larger ones that takes
// minutes.
constexpr int64_t kExactSide = 512;

struct Decomposition {
  at::Tensor u, values, v;  // [out, count], [count] falling, [count, in]
};

at::Tensor orthonormal(const at::Tensor& columns) {
  return std::get<0>(at::linalg_qr(columns));
}

Decomposition first_of(const at::Tensor& u, const at::Tensor& values, const at::Tensor& v,
                       int64_t count) {
  return {u.narrow(1, 0, count).clone(), values.narrow(0, 0, count).clone(),
          v.narrow(0, 0, count).clone()};
}

// By subspace iteration from a random start (Halko, Martinsson & Tropp 2011, algorithm 4.4).
Decomposition largest_by_iteration(const at::Tensor& weight, int64_t count,
                                   const at::Generator& random) {
  constexpr int64_t kMore = 16;
  constexpr int kRounds = 8;
  const int64_t width = std::min(count + kMore, std::min(weight.size(0), weight.size(1)));
  const at::Tensor start = at::empty({weight.size(1), width}, at::kFloat).normal_(0.0, 1.0, random);
  at::Tensor basis = orthonormal(weight.mm(start.to(weight.scalar_type())));
  for (int round = 0; round < kRounds; ++round)
    basis = orthonormal(weight.mm(orthonormal(weight.t().mm(basis))));
  const auto [u, values, v] = at::linalg_svd(basis.t().mm(weight), /*full_matrices=*/false);
  return first_of(basis.mm(u), values, v, count);
}

Decomposition largest_singular(const at::Tensor& weight, int64_t count,
                               const at::Generator& random) {
  if (std::min(weight.size(0), weight.size(1)) > kExactSide)
    return largest_by_iteration(weight, count, random);
  const auto [u, values, v] = at::linalg_svd(weight, /*full_matrices=*/false);
  return first_of(u, values, v, count);
}

// Columns of U and rows of V with the signs of both turned.
void fix_signs(at::Tensor& u, at::Tensor& v) {
  const at::Tensor largest = u.gather(0, u.abs().argmax(0, /*keepdim=*/true));  // [1, k]
  const at::Tensor sign = at::where(largest < 0, -1.0, 1.0).to(u.scalar_type());
  u.mul_(sign);
  v.mul_(sign.t());
}

}  // namespace

PrincipalAdapter::PrincipalAdapter(const AdapterShape& shape, double scale,
                                   const kernels::FrozenWeight& base, const at::Generator& random)
    : pair_(shape, random), first_(pair_), scale_(scale), dropout_(shape.dropout) {
  const at::NoGradGuard no_gradients;
  const int64_t count = std::min({shape.rank, shape.in, shape.out});
  Decomposition largest = largest_singular(base.dense(shape.dtype).to(at::kCPU), count, random);
  fix_signs(largest.u, largest.v);
  const at::Tensor root = (largest.values / scale).sqrt();
  pair_.a.narrow(0, 0, count).copy_(largest.v * root.unsqueeze(1));
  pair_.b.narrow(1, 0, count).copy_(largest.u * root);
  first_.a = pair_.a.clone();
  first_.b = pair_.b.clone();
  pair_.a.set_requires_grad(true);
  pair_.b.set_requires_grad(true);
}

LowRankPair PrincipalAdapter::difference() const {
  LowRankPair both = pair_;
  both.a = at::cat({pair_.a, pair_.a - first_.a});
  both.b = at::cat({pair_.b - first_.b, first_.b}, 1);
  return both;
}

at::Tensor PrincipalAdapter::apply(const at::Tensor& x, const at::Tensor& base_out,
                                   const kernels::FrozenWeight&) const {
  const at::Tensor input = x.reshape({-1, x.size(-1)}).to(pair_.a.scalar_type());
  if (training && dropout_ > 0.0) {
    // PEFT's dropout acts on what is trained, not on what was taken out of W.
    const at::Tensor rest = add_low_rank(base_out, input, first_.a, first_.b, -scale_);
    return add_low_rank(rest, at::dropout(input, dropout_, /*train=*/true), pair_.a, pair_.b,
                        scale_);
  }
  const LowRankPair both = difference();
  return add_low_rank(base_out, input, both.a, both.b, scale_);
}

std::optional<models::LowRank> PrincipalAdapter::low_rank() const {
  if (training && dropout_ > 0.0) return std::nullopt;
  const LowRankPair both = difference();
  return models::LowRank{both.a, both.b, scale_};
}

at::Tensor PrincipalAdapter::merged(const at::Tensor& dense_base) const {
  const at::NoGradGuard no_gradients;
  const LowRankPair both = difference();
  return at::addmm(dense_base.to(both.a.device(), both.a.scalar_type()), both.b, both.a, 1.0,
                   scale_);
}

std::map<std::string, at::Tensor*> PrincipalAdapter::parameters() {
  return {{"lora_A.weight", &pair_.a}, {"lora_B.weight", &pair_.b}};
}

std::map<std::string, at::Tensor> PrincipalAdapter::stored() {
  const at::NoGradGuard no_gradients;
  const LowRankPair both = difference();
  return {{"lora_A.weight", both.a}, {"lora_B.weight", both.b}};
}

}  // namespace slmtune::lora
