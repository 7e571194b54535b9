#include "kernels/adamw/adam_loops.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/adamw/moment_codes.h"
#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

SLMTUNE_VECTOR_VARIANTS
void decode(const float* map, const uint8_t* codes, float scale, int64_t count, float* out) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) out[i] = map[codes[i]] * scale;
}

SLMTUNE_VECTOR_VARIANTS
float largest_magnitude(const float* x, int64_t count) {
  float largest = 0.0f;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  return largest;
}

float inverse_of(float scale) {
  return scale > 0.0f ? 1.0f / scale : 0.0f;
}

// Inlined into the variants of each instruction set.
template <bool kDecayLast>
[[gnu::always_inline]] inline void update(const AdamStep& by, int64_t count, const float* gradient,
                                          float* parameter, float* exp_avg, float* exp_avg_sq) {
  const AdamStep step = by;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * step.gradient_scale;
    const float m = exp_avg[i] * step.beta1 + g * step.rest1;
    const float v = exp_avg_sq[i] * step.beta2 + g * g * step.rest2;
    const float change = step.size * m / (std::sqrt(v) * step.root + step.epsilon);
    parameter[i] =
        kDecayLast ? (parameter[i] - change) * step.keep : parameter[i] * step.keep - change;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
  }
}

SLMTUNE_VECTOR_VARIANTS
void decay_last_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                     float* exp_avg, float* exp_avg_sq) {
  update<true>(step, count, gradient, parameter, exp_avg, exp_avg_sq);
}

}  // namespace

AdamStep adam_step(const AdamFacts& facts, double learning_rate, int64_t step,
                   double gradient_scale) {
  const auto t = static_cast<double>(step);
  return {.gradient_scale = static_cast<float>(gradient_scale),
          .beta1 = static_cast<float>(facts.beta1),
          .rest1 = static_cast<float>(1.0 - facts.beta1),
          .beta2 = static_cast<float>(facts.beta2),
          .rest2 = static_cast<float>(1.0 - facts.beta2),
          .size = static_cast<float>(learning_rate / (1.0 - std::pow(facts.beta1, t))),
          .root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(facts.beta2, t))),
          .epsilon = static_cast<float>(facts.epsilon),
          .keep = static_cast<float>(1.0 - learning_rate * facts.weight_decay)};
}

SLMTUNE_VECTOR_VARIANTS
double sum_of_squares(const float* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  std::array<double, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(x[i + lane]);
      sums[static_cast<size_t>(lane)] += value * value;
    }
  for (size_t lane = 0; i < count; ++i, ++lane)
    sums[lane] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

SLMTUNE_VECTOR_VARIANTS
void adamw_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                float* exp_avg, float* exp_avg_sq) {
  update<false>(step, count, gradient, parameter, exp_avg, exp_avg_sq);
}

void adamw8bit_loop(const AdamStep& step, int64_t count, const float* gradient, float* parameter,
                    const QuantisedBlock& moments) {
  std::array<float, kMomentBlock> first, second;
  std::array<int32_t, kMomentBlock> codes;
  decode(signed_codes().map.data(), moments.exp_avg, *moments.exp_avg_scale, count, first.data());
  decode(unsigned_codes().map.data(), moments.exp_avg_sq, *moments.exp_avg_sq_scale, count,
         second.data());
  decay_last_loop(step, count, gradient, parameter, first.data(), second.data());

  constexpr int32_t kZero = 127;  // the signed map's code of 0
  *moments.exp_avg_scale = largest_magnitude(first.data(), count);
  nearest_codes(signed_codes(), first.data(), inverse_of(*moments.exp_avg_scale), count,
                codes.data());
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const bool lost_sign = codes[i] == kZero && std::signbit(first[i]);
    moments.exp_avg[i] = static_cast<uint8_t>(codes[i] - (lost_sign ? 1 : 0));
  }
  *moments.exp_avg_sq_scale = largest_magnitude(second.data(), count);
  nearest_codes(unsigned_codes(), second.data(), inverse_of(*moments.exp_avg_sq_scale), count,
                codes.data());
  for (size_t i = 0; i < static_cast<size_t>(count); ++i)
    moments.exp_avg_sq[i] = static_cast<uint8_t>(codes[i]);
}

}  // namespace slmtune::kernels
