// Storage encodings of GGUF tensors, byte for byte as ggml's reference writes them
// (ggml/src/ggml-quants.c). One file per encoding; registry.cpp lists them, so that adding one is a
// new file and a row there.
//
//   const Encoding* encoding = find_encoding("q8_0");
//   encoding->encode(values, bytes);
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace slmtune::exporting {

struct Encoding {
  std::string_view name;  // recipe word: f32, f16, bf16, q8_0
  uint32_t ggml_type;     // tensor type number
  uint32_t file_type;     // general.file_type
  int64_t block;          // elements per block
  int64_t block_bytes;
  float limit;  // magnitudes below it stay finite
  // n elements (a multiple of block) -> n / block · block_bytes bytes, and back. Finite input only.
  void (*encode)(std::span<const float> in, std::span<std::byte> out);
  void (*decode)(std::span<const std::byte> in, std::span<float> out);
  // Greatest |decoded − source| in a block whose largest magnitude is `largest`.
  double (*error_bound)(double largest);
};

std::span<const Encoding> encodings();
// nullptr when there is none.
const Encoding* find_encoding(std::string_view name);
const Encoding* find_encoding(uint32_t ggml_type);

}  // namespace slmtune::exporting
