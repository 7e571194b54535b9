#include "tests/emulator/narrow_floats.h"

namespace slmtune::emulator {

// 1 sign, 5 exponent and 10 fraction bits; the smallest normal is 2^-14.
float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1Fu, fraction = bits & 0x3FFu;
  if (exponent == 0x1Fu) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

// To the nearest, ties to even; 65520 and more become infinity, every NaN 0x7FFF.
uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t size = bits & 0x7FFFFFFFu;
  if (size > 0x7F800000u) return 0x7FFF;
  if (size >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);
  if (size < 0x38800000u) {  // below 2^-14: whole multiples of 2^-24, rounded by the addition
    const float shifted = std::bit_cast<float>(size) + 0.5f;
    const uint32_t steps = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5f);
    return static_cast<uint16_t>(sign | steps);
  }
  const uint32_t rounded = size + 0xFFFu + ((size >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace slmtune::emulator
