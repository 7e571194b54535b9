#include "models/linear.h"

#include <ATen/ATen.h>

namespace slmtune::models {

at::Tensor Linear::forward(const at::Tensor& x) const {
  if (on_input) on_input(x);
  at::Tensor out = weight->matmul(x);
  if (adapter && use_adapter) out = adapter->apply(x, out, *weight);
  return bias.defined() ? at::add(out, bias) : out;
}

}  // namespace slmtune::models
