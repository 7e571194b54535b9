#include "kernels/quant/dense/dense_weight.h"

#include <utility>

#include "core/error.h"
#include "kernels/matmul/product.h"

namespace slmtune::kernels {

DenseWeight::DenseWeight(at::Tensor weight) : weight_(std::move(weight)) {
  SLMTUNE_ASSERT(weight_.defined() && weight_.dim() == 2, "a linear's weight is a matrix");
}

at::Tensor DenseWeight::matmul(const at::Tensor& x) const {
  return linear_product(x, weight_.to(x.scalar_type()));
}

at::Tensor DenseWeight::dense(at::ScalarType dtype) const {
  return weight_.to(dtype);
}

std::map<std::string, at::Tensor> DenseWeight::state() const {
  return {{"weight", weight_}};
}

void DenseWeight::to(at::Device device) {
  weight_.set_data(weight_.detach().to(device));
}

uint64_t DenseWeight::bytes() const {
  return static_cast<uint64_t>(weight_.numel()) * static_cast<uint64_t>(weight_.element_size());
}

}  // namespace slmtune::kernels
