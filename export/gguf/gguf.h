// GGUF version 3 (https://github.com/ggml-org/ggml, docs/gguf.md): typed writer and strict reader.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/mapped_file.h"

namespace slmtune::exporting {

using GgufValue = std::variant<uint32_t, int32_t, float, bool, std::string, uint64_t, std::vector<std::string>,
                               std::vector<int32_t>, std::vector<float>>;

struct GgufTensor {
  std::string name;            // < 64 bytes
  std::vector<int64_t> shape;  // row-major as in LibTorch (the file stores it reversed)
  uint32_t type = 0;           // ggml type number
  uint64_t bytes = 0;
};

// A tensor to write; `fill` hands over exactly `bytes` bytes.
struct GgufTensorSource {
  GgufTensor tensor;
  std::function<void(const std::function<void(std::span<const std::byte>)>& write)> fill;
};

// Streams through AtomicFile; order as given. InternalError for duplicate names or wrong sizes.
void write_gguf(const std::filesystem::path& path, const std::vector<std::pair<std::string, GgufValue>>& metadata,
                const std::vector<GgufTensorSource>& tensors);

// Reads a file as hostile input: F090 not GGUF or other version, F091 malformed metadata, F092 tensor table (type, shape,
// offset, overlap, name), F093 truncated.
class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::span<const std::byte> data(const std::string& name) const;  // F013 unknown

 private:
  explicit GgufFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  std::map<std::string, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::span<const std::byte>> data_;
};

}  // namespace slmtune::exporting
