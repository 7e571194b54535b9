#include "models/blocks/rope.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "models/blocks/rope_frequencies.h"

namespace slmtune::models {
namespace {

// One pass over x; the ATen form of this takes six. direction −1 rotates back (the gradient).
template <typename Scalar>
void rotate_rows(const at::Tensor& x, const Rotation& rotation, double direction, at::Tensor& out) {
  using Number = at::opmath_type<Scalar>;
  const int64_t tokens = x.size(0), heads = x.size(1), width = x.size(2);
  const int64_t half = rotation.cos.size(1);
  const Scalar* row = x.const_data_ptr<Scalar>();
  const Scalar* cos = rotation.cos.const_data_ptr<Scalar>();
  const Scalar* sin = rotation.sin.const_data_ptr<Scalar>();
  Scalar* target = out.mutable_data_ptr<Scalar>();
  const auto sign = static_cast<Number>(direction);
  for (int64_t token = 0; token < tokens; ++token, cos += half, sin += half, row += x.stride(0)) {
    const Scalar* source = row;
    for (int64_t head = 0; head < heads; ++head, source += width, target += width) {
      for (int64_t i = 0; i < half; ++i) {
        const Number a = source[i], b = source[i + half], c = cos[i], s = sign * Number(sin[i]);
        target[i] = static_cast<Scalar>(a * c - b * s);
        target[i + half] = static_cast<Scalar>(b * c + a * s);
      }
      std::copy(source + 2 * half, source + width, target + 2 * half);
    }
  }
}

at::Tensor turned(const at::Tensor& x, const Rotation& rotation, double direction) {
  const int64_t half = rotation.cos.size(1);
  if (!x.is_cpu()) {
    const at::Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
    const at::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1) * direction;
    return at::cat({a * cos - b * sin, b * cos + a * sin, x.slice(-1, 2 * half)}, -1);
  }
  const bool has_plain_rows = x.stride(2) == 1 && x.stride(1) == x.size(2);
  const at::Tensor source = has_plain_rows ? x : x.contiguous();
  at::Tensor out = at::empty(x.sizes(), x.options());
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, x.scalar_type(), "rotate",
                                  [&] { rotate_rows<scalar_t>(source, rotation, direction, out); });
  return out;
}

struct Rotate : torch::autograd::Function<Rotate> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turned(x, {cos, sin}, 1.0);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    return {turned(gradients[0], {saved[0], saved[1]}, -1.0), at::Tensor(), at::Tensor()};
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

at::Tensor RotaryEmbedding::angles(const at::Tensor& positions) const {
  const bool by_length = depends_on_length() && positions.size(0) > 0;
  const int64_t length = by_length ? positions.max().item<int64_t>() + 1 : 0;
  return at::outer(positions.to(short_.options()), frequencies(length));
}

Rotation RotaryEmbedding::at(const Layout& layout) const {
  at::Tensor all;
  if (depends_on_length()) {
    std::vector<at::Tensor> rows;
    for (size_t row = 0; row + 1 < layout.starts.size(); ++row)
      rows.push_back(angles(layout.positions.slice(0, layout.starts[row], layout.starts[row + 1])));
    all = at::cat(rows);
  } else {
    all = angles(layout.positions);
  }
  const double factor = scaling_.attention_factor;
  const auto scaled = [&](const at::Tensor& x) { return factor == 1.0 ? x : x * factor; };
  return {scaled(all.cos()).to(dtype_), scaled(all.sin()).to(dtype_)};
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  return Rotate::apply(x, rotation.cos, rotation.sin);
}

}  // namespace slmtune::models
