// Storage encodings of GGUF tensors, byte for byte as ggml's quantiser writes them
// (ggml_quantize_chunk, ggml/src/ggml-quants.c), edge cases included. One file per encoding;
// registry.cpp lists them, so that adding one is a new file and a row there.
//
//   const Encoding* encoding = find_encoding("q8_0");
//   encoding->encode(values, columns, {}, bytes);
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace slmtune::exporting {

struct Encoding {
  std::string_view name;  // f16, q8_0, q4_k, …
  uint32_t ggml_type;     // tensor type number
  int64_t block;          // elements per block
  int64_t block_bytes;
  float limit;  // magnitudes below it stay finite
  // Whole rows of `columns` elements (a multiple of `block`) -> blocks, one after the other.
  // `importance`: empty, or a weight >= 0 for each column (ggml's quant_weights) that the rounding
  // spares the more the greater it is; float formats and q8_0 have no use for it. Any bits are
  // taken; a block with NaN or infinity in it has the bytes ggml gives it, and no meaning.
  void (*encode)(std::span<const float> in, int64_t columns, std::span<const float> importance,
                 std::span<std::byte> out);
  // in.size() / block_bytes blocks -> block elements of each.
  void (*decode)(std::span<const std::byte> in, std::span<float> out);
  // Greatest |decoded − source| in a block whose largest magnitude is `largest`, when it was
  // encoded without importance.
  double (*error_bound)(double largest);
};

std::span<const Encoding> encodings();
// nullptr when there is none.
const Encoding* find_encoding(std::string_view name);
const Encoding* find_encoding(uint32_t ggml_type);

}  // namespace slmtune::exporting
