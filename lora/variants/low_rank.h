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

class LowRankAdapter final : public models::Adapter {
 public:
  // A kaiming-uniform(√5), i.e. uniform ±1/√in, from `random`; B zero. Both require grad.
  LowRankAdapter(const AdapterShape& shape, double scale, at::Generator random);

  at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                   const kernels::FrozenWeight& base) const override;
  at::Tensor merged(const at::Tensor& dense_base) const override;
  std::map<std::string, at::Tensor*> parameters() override;

 private:
  at::Tensor a_, b_;  // [rank, in], [out, rank]
  double scale_, dropout_;
};

}  // namespace slmtune::lora
