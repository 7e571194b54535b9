#include "models/blocks/rope.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "kernels/rope/rope.h"
#include "models/blocks/rope_frequencies.h"

namespace slmtune::models {
namespace {

struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return kernels::rotated(x, cos, sin, kernels::Turn::kForward);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {kernels::rotated(gradients[0], saved[0], saved[1], kernels::Turn::kBack), at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

RotaryEmbedding::RotaryEmbedding(const ModelConfig& config, at::ScalarType dtype, at::Device device)
    : theta_(config.rope_theta),
      rotary_dim_(config.rotary_dim),
      max_positions_(config.max_positions),
      scaling_(config.rope),
      dtype_(dtype) {
  const at::ScalarType wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
  short_ = scaled_frequencies(theta_, rotary_dim_, scaling_, wide).to(device);
  if (scaling_.type == "longrope")
    long_ = plain_frequencies(theta_, rotary_dim_, wide, scaling_.long_factors).to(device);
}

bool RotaryEmbedding::depends_on_length() const {
  return scaling_.type == "longrope" || scaling_.type == "dynamic";
}

// With "dynamic" scaling earlier keys stay as they are, as in transformers.
bool RotaryEmbedding::outdates(int64_t from, int64_t to) const {
  return scaling_.type == "longrope" && from <= scaling_.original_max_positions &&
         to > scaling_.original_max_positions;
}

at::Tensor RotaryEmbedding::frequencies(int64_t length) const {
  if (scaling_.type == "longrope") return length > scaling_.original_max_positions ? long_ : short_;
  if (scaling_.type == "dynamic" && length > max_positions_) {
    const double theta =
        dynamic_theta(theta_, rotary_dim_, scaling_.factor, length, max_positions_);
    return plain_frequencies(theta, rotary_dim_, short_.scalar_type()).to(short_.device());
  }
  return short_;
}

at::Tensor RotaryEmbedding::angles(const at::Tensor& positions, int64_t length) const {
  return at::outer(positions.to(short_.options()), frequencies(length));
}

Rotation RotaryEmbedding::at(const Layout& layout) const {
  at::Tensor all;
  if (depends_on_length()) {
    std::vector<at::Tensor> rows;
    for (size_t row = 0; row + 1 < layout.starts.size(); ++row) {
      const int64_t tokens = layout.starts[row + 1] - layout.starts[row];
      rows.push_back(angles(layout.positions.narrow(0, layout.starts[row], tokens),
                            layout.first_position + tokens));
    }
    all = at::cat(rows);
  } else {
    all = angles(layout.positions, 0);
  }
  const double factor = scaling_.attention_factor;
  const auto scaled = [&](const at::Tensor& x) { return factor == 1.0 ? x : x * factor; };
  return {scaled(all.cos()).to(dtype_), scaled(all.sin()).to(dtype_)};
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  return Rotate::apply(x, rotation.cos, rotation.sin);
}

}  // namespace slmtune::models
