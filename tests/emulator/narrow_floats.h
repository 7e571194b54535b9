// bfloat16 and half with CUDA's names and CUDA's rounding (narrow_floats_test.cpp compares every
// value with CUDA's own headers where they are at hand). Arithmetic goes through float.
#pragma once
#include <bit>
#include <cstdint>

#include "tests/emulator/cuda_names.h"

struct __nv_bfloat16 {
  uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
struct __half {
  uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}

// To the nearest, ties to even; every NaN becomes 0x7FFF.
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {0x7FFF};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16(float value) {
  return __float2bfloat16_rn(value);
}

inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 value) {
  return __floats2bfloat162_rn(value.x, value.y);
}
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline float __low2float(__nv_bfloat162 value) {
  return __bfloat162float(value.x);
}
inline float __high2float(__nv_bfloat162 value) {
  return __bfloat162float(value.y);
}

namespace slmtune::emulator {

float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);

}  // namespace slmtune::emulator

inline float __half2float(__half value) {
  return slmtune::emulator::half_to_float(value.bits);
}
inline __half __float2half_rn(float value) {
  return {slmtune::emulator::float_to_half(value)};
}
inline __half __float2half(float value) {
  return __float2half_rn(value);
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {__float2half_rn(x), __float2half_rn(y)};
}
inline float2 __half22float2(__half2 value) {
  return {__half2float(value.x), __half2float(value.y)};
}
