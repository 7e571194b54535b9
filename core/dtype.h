// Element types of stored tensors, without LibTorch.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slmtune {

enum class DType { kBool, kU8, kI8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBF16, kF32, kF64 };

uint64_t dtype_bytes(DType dtype);
std::string_view dtype_name(DType dtype);  // safetensors' name: "F32", "BF16", …
std::optional<DType> dtype_from_name(std::string_view name);

// Conversions, round to nearest even; NaN stays NaN (formats.md §7.1 of ggml's bf16 rule).
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);

}  // namespace slmtune
