// Storage encodings of GGUF tensors. One file per encoding; registry.cpp lists them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace slmtune::exporting {

struct Encoding {
  std::string_view name;      // recipe word: f32, f16, bf16, q8_0
  uint32_t ggml_type;         // tensor type number
  uint32_t file_type;         // general.file_type
  int64_t block;              // elements per block
  int64_t block_bytes;
  // n elements (a multiple of block) -> n / block · block_bytes bytes, and back.
  void (*encode)(std::span<const float> in, std::span<std::byte> out);
  void (*decode)(std::span<const std::byte> in, std::span<float> out);
};

std::span<const Encoding> encodings();
const Encoding* find_encoding(std::string_view name);
const Encoding* find_encoding(uint32_t ggml_type);

}  // namespace slmtune::exporting
