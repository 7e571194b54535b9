#include "export/encodings/encoding.h"

namespace slmtune::exporting {

const Encoding* find_encoding(std::string_view name) {
  for (const Encoding& encoding : encodings())
    if (encoding.name == name) return &encoding;
  return nullptr;
}

const Encoding* find_encoding(uint32_t ggml_type) {
  for (const Encoding& encoding : encodings())
    if (encoding.ggml_type == ggml_type) return &encoding;
  return nullptr;
}

}  // namespace slmtune::exporting
