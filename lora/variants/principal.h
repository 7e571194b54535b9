// PiSSA (Meng et al. 2024, https://arxiv.org/abs/2404.02948): LoRA whose A and B begin as the
// largest singular vectors of W, over what is left of W without them:
//   y = x·(W − s·B₀·A₀)ᵀ + s·x·Aᵀ·Bᵀ.
// The frozen weight stays W: what is trained is the difference s·(B·A − B₀·A₀), written as one
// product of twice the rank, [B − B₀, B₀]·[A; A − A₀]. So it works over any storage format, the
// base without adapter is still the base, and what is saved is a plain LoRA for it (PEFT converts
// to the same product when it saves with path_initial_model_for_weight_conversion).
#pragma once
#include "lora/variants/low_rank.h"

namespace slmtune::lora {

class PrincipalAdapter final : public models::Adapter {
 public:
  // A singular vector's sign is such that the largest entry in B is positive, so the same weight
  // always gives the same adapter. Rows of A beyond the rank of W begin as LoRA's. Of weights with
  // both sides above 512 the vectors are found by iteration, near those of the decomposition.
  PrincipalAdapter(const AdapterShape& shape, double scale, const kernels::FrozenWeight& base,
                   const at::Generator& random);

  at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                   const kernels::FrozenWeight& base) const override;
  std::optional<models::LowRank> low_rank() const override;
  at::Tensor merged(const at::Tensor& dense_base) const override;
  std::map<std::string, at::Tensor*> parameters() override;
  std::map<std::string, at::Tensor> stored() override;  // the plain LoRA of twice the rank

 private:
  LowRankPair difference() const;

  LowRankPair pair_, first_;
  double scale_, dropout_;
};

}  // namespace slmtune::lora
