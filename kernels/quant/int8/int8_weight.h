// Row-wise 8-bit weights: w ≈ code · absmax(row) / 127, rounded to the nearest, ties to even; the
// weight half of LLM.int8() (https://arxiv.org/abs/2208.07339) with 1 byte a weight.
#pragma once
#include "kernels/quant/quantised_weight.h"

namespace slmtune::kernels {

class Int8Weight : public QuantisedWeight {
 public:
  // Quantises `dense` [out, in], any floating type, on its device.
  explicit Int8Weight(const at::Tensor& dense);
  // "weight" int8 [out, in] and "weight.absmax" float32 [out].
  std::map<std::string, at::Tensor> state() const override;
  void to(at::Device device) override;
  at::Device device() const override { return codes_.device(); }

 protected:
  void write_dense(at::Tensor& target) const override;

 private:
  at::Tensor codes_, absmax_;
};

}  // namespace slmtune::kernels
