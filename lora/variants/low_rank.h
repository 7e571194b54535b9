// LoRA (Hu et al. 2021): y = x·Wᵀ + s · dropout(x)·Aᵀ·Bᵀ, with s = alpha / rank, or alpha / √rank
// for rsLoRA (Kalajdzievski 2023). A and B are float32 whatever the model's dtype (float64 over a
// float64 model, as tests use).
#pragma once
#include <ATen/core/Generator.h>

#include "models/adapter.h"

namespace slmtune::lora {

struct AdapterShape {
  int64_t in = 0, out = 0, rank = 0;
  double alpha = 0.0, dropout = 0.0;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
};

// A [rank, in] kaiming-uniform(√5), i.e. uniform ±1/√in, from `random`; B [out, rank] zero.
struct LowRankPair {
  LowRankPair(const AdapterShape& shape, const at::Generator& random);
  at::Tensor a, b;
};

// base_out + scale · x·Aᵀ·Bᵀ, in base_out's dtype and shape, perhaps in its memory. x [N, in] in
// A's dtype.
at::Tensor add_low_rank(const at::Tensor& base_out, const at::Tensor& x, const at::Tensor& a,
                        const at::Tensor& b, double scale);

class LowRankAdapter final : public models::Adapter {
 public:
  // Both tensors require grad.
  LowRankAdapter(const AdapterShape& shape, double scale, const at::Generator& random);

  at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                   const kernels::FrozenWeight& base) const override;
  std::optional<models::LowRank> low_rank() const override;
  at::Tensor merged(const at::Tensor& dense_base) const override;
  std::map<std::string, at::Tensor*> parameters() override;

 private:
  LowRankPair pair_;
  double scale_, dropout_;
};

}  // namespace slmtune::lora
