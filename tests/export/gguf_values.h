// What stands in a GGUF file, for expectations on it.
//
//   EXPECT_EQ(value_of<uint32_t>(file, "llama.block_count"), 2u);
#pragma once
#include <stdexcept>
#include <string>
#include <vector>

#include "export/encodings/encoding.h"
#include "export/gguf/gguf.h"

namespace slmtune::exporting {

template <class Value>
Value value_of(const GgufFile& file, const std::string& key) {
  const Value* value = file.value<Value>(key);
  if (value == nullptr) throw std::out_of_range(key);
  return *value;
}

inline std::vector<float> decoded(const GgufFile& file, const std::string& name) {
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name != name) continue;
    const Encoding& encoding = *find_encoding(tensor.type);
    std::vector<float> values(tensor.bytes / static_cast<size_t>(encoding.block_bytes) *
                              static_cast<size_t>(encoding.block));
    encoding.decode(file.data(name), values);
    return values;
  }
  throw std::out_of_range(name);
}

}  // namespace slmtune::exporting
