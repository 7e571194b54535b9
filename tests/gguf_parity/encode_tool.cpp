// Encodes files of raw float32 with any encoding of the registry, for encodings_parity.py.
//
//   encode_tool list                                    NAME TYPE BLOCK BLOCK_BYTES, a line each
//   encode_tool NAME COLUMNS VALUES BLOCKS DECODED [IMPORTANCE]
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "export/encodings/encoding.h"

namespace {

using slmtune::exporting::Encoding;

std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> values(bytes.size() / sizeof(float));
  bytes.copy(reinterpret_cast<char*>(values.data()), values.size() * sizeof(float));
  return values;
}

bool write(const char* path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return static_cast<bool>(file.flush());
}

int list() {
  for (const Encoding& encoding : slmtune::exporting::encodings())
    std::printf("%.*s %u %d %d\n", static_cast<int>(encoding.name.size()), encoding.name.data(),
                encoding.ggml_type, static_cast<int>(encoding.block),
                static_cast<int>(encoding.block_bytes));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string(arguments[1]) == "list") return list();
  const Encoding* encoding = count >= 6 ? slmtune::exporting::find_encoding(arguments[1]) : nullptr;
  if (encoding == nullptr) return 2;
  const std::vector<float> values = read_floats(arguments[3]);
  std::vector<float> importance;
  if (count > 6) importance = read_floats(arguments[6]);
  std::vector<std::byte> blocks(values.size() / static_cast<size_t>(encoding->block) *
                                static_cast<size_t>(encoding->block_bytes));
  std::vector<float> decoded(values.size());
  encoding->encode(values, std::stoll(arguments[2]), importance, blocks);
  encoding->decode(blocks, decoded);
  return write(arguments[4], blocks) && write(arguments[5], std::as_bytes(std::span(decoded))) ? 0
                                                                                               : 1;
}
