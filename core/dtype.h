// Element types of stored tensors, without LibTorch.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slmtune {

enum class DType { kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBF16, kF32, kF64 };

uint64_t dtype_bytes(DType dtype);
std::string_view dtype_name(DType dtype);  // safetensors' name: "F32", "BF16", …
std::optional<DType> dtype_from_name(std::string_view name);

// Conversions, round to nearest even, with ggml's bits for NaN: 0x7e00 and the sign in float16, the
// upper half made quiet in bfloat16.
inline float bf16_to_f32(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  // Both are computed, so that a loop over many needs no jump.
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(is_nan ? (bits >> 16) | 64u : rounded);
}
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);

}  // namespace slmtune
