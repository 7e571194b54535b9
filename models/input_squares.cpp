#include "models/input_squares.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace slmtune::models {

InputSquares::InputSquares(CausalLM& model) : model_(model) {
  model.for_each_linear([this](const std::string& module, Linear& linear) {
    linear.on_input = [this, module](const at::Tensor& x) { add(module, x); };
  });
}

InputSquares::~InputSquares() {
  model_.for_each_linear([](const std::string&, Linear& linear) { linear.on_input = nullptr; });
}

void InputSquares::add(const std::string& module, const at::Tensor& x) {
  const at::NoGradGuard no_gradients;
  if (!last_.is_same(x)) {
    last_ = x;
    const at::Tensor squares = x.detach().flatten(0, -2).to(at::kFloat).square();
    last_sums_ = at::sum(squares, at::IntArrayRef{0}, /*keepdim=*/false, at::kDouble);
  }
  Columns& columns = columns_[module];
  if (!columns.sums.defined()) columns.sums = at::zeros_like(last_sums_);
  columns.sums.add_(last_sums_);
  columns.rows += x.numel() / x.size(-1);
}

}  // namespace slmtune::models
