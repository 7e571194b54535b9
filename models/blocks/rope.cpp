#include "models/blocks/rope.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>

namespace slmtune::models {
namespace {

// "Llama 3.1" scaling: short waves stay, long waves are stretched by `factor`, those between are
// blended.
double llama3_frequency(double frequency, const RopeScaling& rope) {
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  const double original = static_cast<double>(rope.original_max_positions);
  if (wavelength < original / rope.high_freq_factor) return frequency;
  if (wavelength > original / rope.low_freq_factor) return frequency / rope.factor;
  const double smooth = (original / wavelength - rope.low_freq_factor) /
                        (rope.high_freq_factor - rope.low_freq_factor);
  return (1.0 - smooth) * frequency / rope.factor + smooth * frequency;
}

double scaled_frequency(double frequency, const RopeScaling& rope) {
  if (rope.type == "linear") return frequency / rope.factor;
  if (rope.type == "llama3") return llama3_frequency(frequency, rope);
  return frequency;
}

// One pass over x; the ATen form of this takes six. direction −1 rotates back (the gradient).
template <typename Scalar>
void rotate_rows(const at::Tensor& x, const Rotation& rotation, double direction, at::Tensor& out) {
  using Number = at::opmath_type<Scalar>;
  const int64_t tokens = x.size(0), heads = x.size(1), half = x.size(2) / 2;
  const Scalar* source = x.const_data_ptr<Scalar>();
  const Scalar* cos = rotation.cos.const_data_ptr<Scalar>();
  const Scalar* sin = rotation.sin.const_data_ptr<Scalar>();
  Scalar* target = out.mutable_data_ptr<Scalar>();
  const auto sign = static_cast<Number>(direction);
  for (int64_t token = 0; token < tokens; ++token, cos += half, sin += half) {
    for (int64_t head = 0; head < heads; ++head, source += 2 * half, target += 2 * half) {
      for (int64_t i = 0; i < half; ++i) {
        const Number a = source[i], b = source[i + half], c = cos[i], s = sign * Number(sin[i]);
        target[i] = static_cast<Scalar>(a * c - b * s);
        target[i + half] = static_cast<Scalar>(b * c + a * s);
      }
    }
  }
}

at::Tensor turned(const at::Tensor& x, const Rotation& rotation, double direction) {
  if (!x.is_cpu()) {
    const auto halves = x.chunk(2, -1);
    const at::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1) * direction;
    return at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
  }
  const at::Tensor source = x.contiguous();
  at::Tensor out = at::empty_like(source);
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
    : dtype_(dtype) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(config.head_dim);
    frequencies.push_back(scaled_frequency(std::pow(config.rope_theta, -exponent), config.rope));
  }
  frequencies_ = at::tensor(frequencies, at::kDouble)
                     .to(device, dtype == at::kDouble ? at::kDouble : at::kFloat);
}

Rotation RotaryEmbedding::at_positions(const at::Tensor& positions) const {
  const at::Tensor angles = at::outer(positions.to(frequencies_.options()), frequencies_);
  return {angles.cos().to(dtype_), angles.sin().to(dtype_)};
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  return Rotate::apply(x, rotation.cos, rotation.sin);
}

}  // namespace slmtune::models
