// llama.cpp's two forms of an imatrix file.
//
// GGUF: general.type "imatrix", imatrix.datasets [str], imatrix.chunk_count u32,
// imatrix.chunk_size u32; per tensor two of float32: "<name>.in_sum2" [1, columns] and
// "<name>.counts" [1, 1].
//
// .dat, little-endian: i32 entries; per entry i32 length, name, i32 calls, i32 columns, float32
// (Σ x² / rows) · calls of each column; then, in newer files, i32 chunks, i32 length, dataset.
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/mapped_file.h"
#include "core/text.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf_layout.h"
#include "export/importance/importance_matrix.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw FileFormatError("F110", path.string(), what,
                        "an importance matrix comes from slmtune's --imatrix auto or from "
                        "llama-imatrix");
}

void check_entry(const fs::path& path, const std::string& name,
                 const ImportanceMatrix::Entry& entry) {
  bool is_fine = std::isfinite(entry.count) && entry.count >= 0.0;
  for (const float sum : entry.sums) is_fine = is_fine && std::isfinite(sum) && sum >= 0.0f;
  if (!is_fine)
    refuse(path, "tensor '" + shown(name) + "' has a sum of squares that cannot be one");
}

std::vector<float> floats_of(const GgufFile& file, const GgufTensor& tensor, const fs::path& path) {
  if (tensor.type != kGgmlF32)
    refuse(path, "tensor '" + shown(tensor.name) + "' does not hold float32 numbers");
  const auto bytes = file.data(tensor.name);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

uint32_t count_or_none(const GgufFile& file, const char* key) {
  const auto* count = file.value<uint32_t>(key);
  return count != nullptr ? *count : 0;
}

ImportanceMatrix read_gguf(const fs::path& path) {
  const GgufFile file = GgufFile::open(path);
  ImportanceMatrix matrix;
  std::map<std::string, std::vector<float>> counts;
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string_view name = tensor.name;
    if (name.ends_with(kSums))
      matrix.entries[std::string(name.substr(0, name.size() - kSums.size()))].sums =
          floats_of(file, tensor, path);
    else if (name.ends_with(kCounts))
      counts[std::string(name.substr(0, name.size() - kCounts.size()))] =
          floats_of(file, tensor, path);
  }
  if (matrix.entries.empty()) refuse(path, "this GGUF file holds no sums of squares");
  for (auto& [name, entry] : matrix.entries) {
    const auto found = counts.find(name);
    if (found == counts.end() || found->second.size() != 1)
      refuse(path, "tensor '" + shown(name) + "' has no single count beside its sums");
    entry.count = std::round(found->second.front());
    check_entry(path, name, entry);
  }
  if (const auto* datasets = file.value<std::vector<std::string>>("imatrix.datasets"))
    matrix.datasets = *datasets;
  matrix.chunks = count_or_none(file, "imatrix.chunk_count");
  matrix.chunk_tokens = count_or_none(file, "imatrix.chunk_size");
  return matrix;
}

// Bytes of a .dat file, taken from the front.
class DatBytes {
 public:
  DatBytes(std::span<const std::byte> bytes, const fs::path& path) : rest_(bytes), path_(path) {}

  bool is_empty() const { return rest_.empty(); }
  std::span<const std::byte> take(size_t count) {
    if (count > rest_.size()) refuse(path_, "the file ends in the middle of an entry");
    const auto part = rest_.first(count);
    rest_ = rest_.subspan(count);
    return part;
  }
  int32_t number() {
    int32_t value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  size_t count(const char* of) {
    const int32_t value = number();
    if (value < 0) refuse(path_, std::string("a number of ") + of + " is negative");
    return static_cast<size_t>(value);
  }
  std::string text() {
    const auto bytes = take(count("bytes"));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> rest_;
  const fs::path& path_;
};

ImportanceMatrix read_dat(const fs::path& path, std::span<const std::byte> all) {
  DatBytes bytes(all, path);
  ImportanceMatrix matrix;
  const size_t entries = bytes.count("entries");
  if (entries == 0) refuse(path, "the file has no entries");
  for (size_t i = 0; i < entries; ++i) {
    const std::string name = bytes.text();
    ImportanceMatrix::Entry& entry = matrix.entries[name];
    // Sums of files that counted no calls stand as they are.
    const int32_t calls = bytes.number();
    entry.count = calls > 0 ? calls : 1;
    const size_t columns = bytes.count("columns");
    if (columns == 0) refuse(path, "an entry has no columns");
    const auto sums = bytes.take(columns * sizeof(float));
    entry.sums.resize(columns);
    std::memcpy(entry.sums.data(), sums.data(), sums.size());
    check_entry(path, name, entry);
  }
  if (bytes.is_empty()) return matrix;
  matrix.chunks = static_cast<uint32_t>(bytes.count("chunks"));
  if (!bytes.is_empty()) matrix.datasets.push_back(bytes.text());
  return matrix;
}

GgufTensorSource tensor_of(const std::string& name, const std::vector<float>& values) {
  return {{name, {1, static_cast<int64_t>(values.size())}, kGgmlF32, values.size() * sizeof(float)},
          [&values](const auto& write) { write(std::as_bytes(std::span(values))); }};
}

}  // namespace

ImportanceMatrix read_importance(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  ImportanceMatrix matrix = starts_as_gguf(bytes) ? read_gguf(path) : read_dat(path, bytes);
  matrix.where = path.string();
  return matrix;
}

void write_importance(const ImportanceMatrix& matrix, const fs::path& path) {
  const GgufMetadata metadata{{"general.type", std::string("imatrix")},
                              {"imatrix.datasets", matrix.datasets},
                              {"imatrix.chunk_count", matrix.chunks},
                              {"imatrix.chunk_size", matrix.chunk_tokens}};
  std::map<std::string, std::vector<float>> counts;
  std::vector<GgufTensorSource> tensors;
  for (const auto& [name, entry] : matrix.entries) {
    counts[name] = {static_cast<float>(entry.count)};
    tensors.push_back(tensor_of(name + std::string(kSums), entry.sums));
    tensors.push_back(tensor_of(name + std::string(kCounts), counts[name]));
  }
  write_gguf(path, metadata, tensors);
}

}  // namespace slmtune::exporting
