#include "kernels/quant/int8/int8_weight.h"

#include <ATen/ATen.h>

namespace slmtune::kernels {

Int8Weight::Int8Weight(const at::Tensor& dense) : QuantisedWeight(dense.size(0), dense.size(1)) {
  const at::Tensor weights = dense.detach().to(at::kFloat);
  absmax_ = weights.abs().amax(1);
  // A row of zeros keeps code 0.
  const at::Tensor scale = at::where(absmax_ > 0, 127.0 / absmax_, at::zeros_like(absmax_));
  codes_ = (weights * scale.unsqueeze(1)).round_().to(at::kChar);
}

std::map<std::string, at::Tensor> Int8Weight::state() const {
  return {{"weight", codes_}, {"weight.absmax", absmax_}};
}

void Int8Weight::write_dense(at::Tensor& target) const {
  // The product in float32 before it is rounded to a narrower type.
  if (target.scalar_type() == at::kFloat) {
    target.copy_(codes_).mul_((absmax_ / 127.0).unsqueeze(1));
  } else {
    target.copy_(codes_.to(at::kFloat).mul_((absmax_ / 127.0).unsqueeze(1)));
  }
}

}  // namespace slmtune::kernels
