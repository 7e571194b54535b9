#include "models/blocks/placeholder.h"

#include <ATen/ATen.h>

namespace slmtune::models {

at::Tensor placeholder(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::empty(shape, at::TensorOptions().dtype(dtype).device(at::kMeta));
}

Linear placeholder_linear(int64_t in, int64_t out, bool bias, at::ScalarType dtype) {
  Linear linear;
  linear.weight = kernels::quant_format("none")(placeholder({out, in}, dtype));
  if (bias) linear.bias = placeholder({out}, dtype);
  return linear;
}

}  // namespace slmtune::models
