// Parameters before they are filled: shape and dtype on the meta device, no memory.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/linear.h"

namespace slmtune::models {

at::Tensor placeholder(at::IntArrayRef shape, at::ScalarType dtype);
Linear placeholder_linear(int64_t in, int64_t out, bool bias, at::ScalarType dtype);

}  // namespace slmtune::models
