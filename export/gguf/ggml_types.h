// Numbers and block sizes of ggml's tensor types (ggml/src/ggml.c, type_traits), so that files of
// other programs can be inspected although we write only the types of export/encodings.
#pragma once
#include <cstdint>
#include <string_view>

namespace slmtune::exporting {

struct GgmlType {
  uint32_t number;
  std::string_view name;
  int64_t block;  // elements
  int64_t block_bytes;
};

inline constexpr uint32_t kGgmlF32 = 0;  // number of float32

// nullptr for a number that is not in use.
const GgmlType* find_ggml_type(uint32_t number);

}  // namespace slmtune::exporting
