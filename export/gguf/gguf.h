// GGUF version 3 (https://github.com/ggml-org/ggml, docs/gguf.md): typed writer and strict reader.
//
//   write_gguf("a.gguf", {{"general.architecture", std::string("llama")}}, tensors);
//   GgufFile file = GgufFile::open("a.gguf");
//   std::get<std::string>(file.metadata().at("general.architecture"));
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/mapped_file.h"

namespace slmtune::exporting {

// Each alternative is written as the GGUF type of the same width. The reader widens 8- and 16-bit
// integers to 32 bits and arrays of small integers and booleans to int32_t.
using GgufValue = std::variant<uint32_t, int32_t, float, bool, std::string, uint64_t, int64_t,
                               double, std::vector<std::string>, std::vector<int32_t>,
                               std::vector<uint32_t>, std::vector<int64_t>, std::vector<uint64_t>,
                               std::vector<float>, std::vector<double>>;
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;  // in file order

struct GgufTensor {
  std::string name;            // < 64 bytes
  std::vector<int64_t> shape;  // row-major as in LibTorch (the file stores it reversed)
  uint32_t type = 0;           // ggml type number (ggml_types.h)
  uint64_t bytes = 0;
  bool operator==(const GgufTensor&) const = default;
};

// A tensor to write; `fill` hands over exactly `bytes` bytes.
struct GgufTensorSource {
  GgufTensor tensor;
  std::function<void(const std::function<void(std::span<const std::byte>)>& write)> fill;
};

// Size of the file that write_gguf makes.
uint64_t gguf_file_bytes(const GgufMetadata& metadata,
                         const std::vector<GgufTensorSource>& tensors);

// Streams through AtomicFile; order as given. InternalError for duplicate names or wrong sizes.
void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                const std::vector<GgufTensorSource>& tensors);

// Reads a file as hostile input: F090 not GGUF or other version, F091 malformed metadata, F092
// tensor table (type, shape, offset, overlap, name), F093 truncated. The file must not change while
// it is open.
class GgufFile {
 public:
  static GgufFile open(const std::filesystem::path& path);
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  // nullptr when the key is absent or of another kind.
  template <class Value>
  const Value* value(const std::string& key) const {
    const auto found = metadata_.find(key);
    return found == metadata_.end() ? nullptr : std::get_if<Value>(&found->second);
  }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in file order
  std::span<const std::byte> data(const std::string& name) const;      // F013 unknown
  const std::filesystem::path& path() const { return path_; }

 private:
  GgufFile(MappedFile file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  MappedFile file_;
  std::filesystem::path path_;
  std::map<std::string, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, std::span<const std::byte>> data_;
};

}  // namespace slmtune::exporting
