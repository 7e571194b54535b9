#include "models/blocks/rope_frequencies.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace slmtune::models {
namespace {

// "Llama 3.1" scaling: short waves stay, long waves are stretched by `factor`, those between are
// blended.
at::Tensor llama3(const at::Tensor& frequencies, const RopeScaling& rope) {
  const auto original = static_cast<double>(rope.original_max_positions);
  const at::Tensor wavelength = at::reciprocal(frequencies) * (2.0 * std::numbers::pi);
  const at::Tensor is_long = wavelength > original / rope.low_freq_factor;
  const at::Tensor is_short = wavelength < original / rope.high_freq_factor;
  const at::Tensor smooth = (at::reciprocal(wavelength) * original - rope.low_freq_factor) /
                            (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended = (1.0 - smooth) * frequencies / rope.factor + smooth * frequencies;
  const at::Tensor ends = at::where(is_long, frequencies / rope.factor, frequencies);
  return at::where(is_long.logical_or(is_short), ends, blended);
}

// Channel pair whose wave turns `turns` times over `positions`.
double turning_pair(double turns, double theta, int64_t dim, double positions) {
  return static_cast<double>(dim) * std::log(positions / (turns * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(theta));
}

// YaRN: fast waves stay, slow ones are stretched, with a ramp between.
at::Tensor yarn(double theta, int64_t dim, const RopeScaling& rope, at::ScalarType type) {
  const auto original = static_cast<double>(rope.original_max_positions);
  double low = turning_pair(rope.beta_fast, theta, dim, original);
  double high = turning_pair(rope.beta_slow, theta, dim, original);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  const at::Tensor pairs = at::arange(dim / 2, at::TensorOptions().dtype(type));
  const at::Tensor kept = 1.0 - at::clamp((pairs - low) / (high - low), 0.0, 1.0);
  const at::Tensor plain = plain_frequencies(theta, dim, type);
  const at::Tensor stretched = at::reciprocal(at::reciprocal(plain) * rope.factor);
  return stretched * (1.0 - kept) + plain * kept;
}

}  // namespace

at::Tensor plain_frequencies(double theta, int64_t dim, at::ScalarType type,
                             const std::vector<double>& factors) {
  const at::Tensor exponents =
      at::arange(0, dim, 2, at::TensorOptions().dtype(type)) / static_cast<double>(dim);
  const at::Tensor powers = at::pow(at::Scalar(theta), exponents);
  if (factors.empty()) return at::reciprocal(powers);
  return at::reciprocal(at::tensor(factors, at::kDouble).to(type) * powers);
}

at::Tensor scaled_frequencies(double theta, int64_t dim, const RopeScaling& rope,
                              at::ScalarType type) {
  if (rope.type == "yarn") return yarn(theta, dim, rope, type);
  const at::Tensor plain = plain_frequencies(theta, dim, type, rope.short_factors);
  if (rope.type == "linear") return plain / rope.factor;
  if (rope.type == "llama3") return llama3(plain, rope);
  return plain;
}

double dynamic_theta(double theta, int64_t dim, double factor, int64_t length,
                     int64_t max_positions) {
  const double stretch =
      factor * static_cast<double>(length) / static_cast<double>(max_positions) - (factor - 1.0);
  const auto width = static_cast<double>(dim);
  return theta * std::pow(stretch, width / (width - 2.0));
}

}  // namespace slmtune::models
