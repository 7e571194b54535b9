// Float functions without branches or calls, so that a loop over them becomes vector code in every
// instruction set of SLMTUNE_VECTOR_VARIANTS, and bfloat16 kept as its 16 bits.
//
//   for (int64_t i = 0; i < n; ++i) store_number(logistic(number(x[i])), y + i);   // float or bf16
#pragma once
#include <bit>
#include <cstdint>

namespace slmtune::kernels {

// bfloat16 is the upper half of a float.
struct BFloat16Bits {
  uint16_t bits;
};

[[gnu::always_inline]] inline float number(float x) {
  return x;
}
[[gnu::always_inline]] inline float number(BFloat16Bits x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16);
}

[[gnu::always_inline]] inline void store_number(float x, float* out) {
  *out = x;
}
// To the nearest, ties to even; not-a-number stays so.
[[gnu::always_inline]] inline void store_number(float x, BFloat16Bits* out) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  out->bits = static_cast<uint16_t>((x == x ? rounded : bits | 0x400000u) >> 16);
}

// e^x = fraction · 2^power: x = n·ln 2 + r, e^r by Cephes' polynomial (Moshier, expf),
// |r| <= ln 2 / 2.
struct Exponential {
  float fraction;
  uint32_t power;  // n, modulo 2^32
};
[[gnu::always_inline]] inline Exponential exponential_parts(float x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRounder = 12582912.0f;  // 1.5·2^23: adding it rounds to a whole number
  const float shifted = x * kLog2E + kRounder;
  const float n = shifted - kRounder;
  const float r = x - n * kLn2High - n * kLn2Low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return {p, std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRounder)};
}

// e^x within 2 units in the last place. Below -86.6, where results get close to the smallest normal
// float, 0; above 88.72 infinity; NaN for NaN.
[[gnu::always_inline]] inline float exponential(float x) {
  const Exponential e = exponential_parts(x);
  // 2^(n - 1), doubled afterwards: n may be 128.
  const float result = e.fraction * std::bit_cast<float>((e.power + 126u) << 23) * 2.0f;
  const float from_above = x > 88.7228394f ? __builtin_inff() : result;
  return x < -86.6f ? 0.0f : from_above;
}

// The same for x <= 88 and NaN, in fewer instructions: for what a maximum was taken from.
[[gnu::always_inline]] inline float exponential_to_88(float x) {
  const Exponential e = exponential_parts(x);
  const float result = e.fraction * std::bit_cast<float>((e.power + 127u) << 23);
  return x < -86.6f ? 0.0f : result;
}

// 1 / (1 + e^-x)
[[gnu::always_inline]] inline float logistic(float x) {
  return 1.0f / (1.0f + exponential(-x));
}

// Within 2 units in the last place; Cephes' polynomial (Moshier, tanhf) near 0, where the formula
// with exponentials would cancel.
[[gnu::always_inline]] inline float hyperbolic_tangent(float x) {
  const float size = x < 0.0f ? -x : x;
  const float far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
  const float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float signed_far = x < 0.0f ? -far : far;
  return size < 0.625f ? near : signed_far;
}

}  // namespace slmtune::kernels
