// The plain weight: one [out, in] tensor of float32, bfloat16, float16 or float64. The only format
// that trains itself.
#pragma once
#include "kernels/quant/frozen_weight.h"

namespace slmtune::kernels {

class DenseWeight : public FrozenWeight {
 public:
  // Keeps a reference to `weight` [out, in].
  explicit DenseWeight(at::Tensor weight);
  at::Tensor matmul(const at::Tensor& x) const override;
  at::Tensor dense(at::ScalarType dtype) const override;
  std::map<std::string, at::Tensor> state() const override;
  void to(at::Device device) override;  // the tensor keeps its handle
  at::Tensor* trainable() override { return &weight_; }
  int64_t in_features() const override { return weight_.size(1); }
  int64_t out_features() const override { return weight_.size(0); }
  uint64_t bytes() const override;

 private:
  at::Tensor weight_;
};

}  // namespace slmtune::kernels
