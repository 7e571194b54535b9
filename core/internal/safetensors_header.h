// The JSON header of a safetensors file, parsed without building a document: every duplicate, wrong
// type and extra level is seen as it comes by, and a hostile header costs no more memory than its
// own bytes.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace slmtune {

struct HeaderEntry {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // in the data part, as the file says
};

struct SafetensorsHeader {
  std::map<std::string, HeaderEntry> tensors;
  std::map<std::string, std::string> metadata;
};

// `where` is the file's name for the error. F010.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where);

}  // namespace slmtune
