// DoRA (Liu et al. 2024, https://arxiv.org/abs/2402.09353): the rows of W + s·B·A are scaled to a
// length that is trained by itself, m; y = m / ‖W + s·B·A‖ ⊙ (x·Wᵀ + s·x·Aᵀ·Bᵀ). The lengths that
// are divided by count as constants for the gradient, as the paper and PEFT have it. With dropout
// PEFT's form: x·Wᵀ as it is, and what is added to it from dropout(x).
#pragma once
#include "lora/variants/low_rank.h"

namespace slmtune::lora {

class DoraAdapter final : public models::Adapter {
 public:
  // m begins as the lengths of the rows of `base`, so that a fresh adapter changes nothing.
  DoraAdapter(const AdapterShape& shape, double scale, const kernels::FrozenWeight& base,
              const at::Generator& random);

  at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                   const kernels::FrozenWeight& base) const override;
  at::Tensor merged(const at::Tensor& dense_base) const override;
  std::map<std::string, at::Tensor*> parameters() override;  // m: "lora_magnitude_vector"

 private:
  // ‖W + s·B·A‖ by row, without that matrix; `dtype`: of the activations. No gradient.
  at::Tensor row_lengths(const kernels::FrozenWeight& base, at::ScalarType dtype) const;

  LowRankPair pair_;
  at::Tensor magnitude_, base_lengths_;  // [out]
  double scale_, dropout_;
};

}  // namespace slmtune::lora
