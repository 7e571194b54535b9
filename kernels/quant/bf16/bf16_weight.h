// Weights in bfloat16 under arithmetic of another type: half the bytes of float32, and nothing lost
// where the files are bfloat16. What a CPU without matrix instructions for bfloat16 does fastest:
// writing a weight out as float32 costs less than its own bfloat16 products.
#pragma once
#include "kernels/quant/quantised_weight.h"

namespace slmtune::kernels {

class Bf16Weight : public QuantisedWeight {
 public:
  // Rounds `dense` [out, in], any floating type, to the nearest, on its device.
  explicit Bf16Weight(const at::Tensor& dense);
  // "weight" bfloat16 [out, in].
  std::map<std::string, at::Tensor> state() const override { return {{"weight", values_}}; }
  void to(at::Device device) override { values_ = values_.to(device); }
  at::Device device() const override { return values_.device(); }

 protected:
  void write_dense(at::Tensor& target) const override { target.copy_(values_); }

 private:
  at::Tensor values_;
};

}  // namespace slmtune::kernels
