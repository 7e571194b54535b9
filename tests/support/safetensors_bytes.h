// Bytes of a safetensors file from a header text, right or wrong.
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::testing {

inline std::string safetensors_bytes(const std::string& header, const std::string& data,
                                     uint64_t claimed_header) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(claimed_header >> (8 * i) & 0xff);
  return bytes + header + data;
}

inline std::string safetensors_bytes(const std::string& header, const std::string& data = "") {
  return safetensors_bytes(header, data, header.size());
}

}  // namespace slmtune::testing
