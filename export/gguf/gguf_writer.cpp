#include <bit>
#include <set>
#include <type_traits>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/shape.h"
#include "export/gguf/ggml_types.h"
#include "export/gguf/gguf.h"
#include "export/gguf/gguf_layout.h"

namespace slmtune::exporting {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is written little-endian");

template <class Number>
void put(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put(std::string& out, const std::string& text) {
  put(out, uint64_t{text.size()});
  out += text;
}

template <class Value>
constexpr GgufType type_of() {
  if constexpr (std::is_same_v<Value, uint32_t>) return GgufType::kU32;
  if constexpr (std::is_same_v<Value, int32_t>) return GgufType::kI32;
  if constexpr (std::is_same_v<Value, float>) return GgufType::kF32;
  if constexpr (std::is_same_v<Value, bool>) return GgufType::kBool;
  if constexpr (std::is_same_v<Value, std::string>) return GgufType::kString;
  if constexpr (std::is_same_v<Value, uint64_t>) return GgufType::kU64;
  if constexpr (std::is_same_v<Value, int64_t>) return GgufType::kI64;
  if constexpr (std::is_same_v<Value, double>) return GgufType::kF64;
  return GgufType::kArray;
}

template <class Value>
void put_value(std::string& out, const Value& value) {
  put(out, static_cast<uint32_t>(type_of<Value>()));
  if constexpr (type_of<Value>() == GgufType::kArray) {
    put(out, static_cast<uint32_t>(type_of<typename Value::value_type>()));
    put(out, uint64_t{value.size()});
    for (const auto& element : value) put(out, element);
  } else {
    static_assert(sizeof(bool) == 1);
    put(out, value);
  }
}

uint64_t stored_bytes(const GgufTensor& tensor) {
  const GgmlType* type = find_ggml_type(tensor.type);
  SLMTUNE_ASSERT(type, "unknown tensor type");
  SLMTUNE_ASSERT(!tensor.shape.empty() && tensor.shape.size() <= kGgufDimensions,
                 "tensor dimensions");
  SLMTUNE_ASSERT(tensor.shape.back() % type->block == 0,
                 "row length is not a multiple of the block");
  const auto elements = static_cast<uint64_t>(shape_elements(tensor.shape));
  return elements / static_cast<uint64_t>(type->block) * static_cast<uint64_t>(type->block_bytes);
}

// Everything before the tensor data, padded to where the data starts.
std::string header(const GgufMetadata& metadata, const std::vector<GgufTensorSource>& tensors) {
  std::string out(kGgufMagic);
  put(out, kGgufVersion);
  put(out, uint64_t{tensors.size()});
  put(out, uint64_t{metadata.size()});
  std::set<std::string> seen;
  for (const auto& [key, value] : metadata) {
    SLMTUNE_ASSERT(seen.insert(key).second, "metadata key written twice");
    put(out, key);
    std::visit([&](const auto& v) { put_value(out, v); }, value);
  }
  seen.clear();
  uint64_t offset = 0;
  for (const auto& [tensor, fill] : tensors) {
    SLMTUNE_ASSERT(seen.insert(tensor.name).second, "tensor written twice");
    SLMTUNE_ASSERT(!tensor.name.empty() && tensor.name.size() <= kGgufNameLimit,
                   "tensor name length");
    SLMTUNE_ASSERT(tensor.bytes == stored_bytes(tensor), "tensor size differs from its shape");
    put(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) put(out, static_cast<uint64_t>(tensor.shape[i]));
    put(out, tensor.type);
    put(out, offset);
    offset += align_up(tensor.bytes, kGgufAlignment);
  }
  out.resize(align_up(out.size(), kGgufAlignment), '\0');
  return out;
}

void write_tensor(AtomicFile& file, const GgufTensorSource& source) {
  const uint64_t start = file.written();
  source.fill([&](std::span<const std::byte> bytes) { file.write(bytes); });
  SLMTUNE_ASSERT(file.written() - start == source.tensor.bytes, "tensor source gave another size");
  const uint64_t padding = align_up(source.tensor.bytes, kGgufAlignment) - source.tensor.bytes;
  file.write(std::string(padding, '\0'));
}

}  // namespace

uint64_t gguf_file_bytes(const GgufMetadata& metadata,
                         const std::vector<GgufTensorSource>& tensors) {
  uint64_t bytes = header(metadata, tensors).size();
  for (const GgufTensorSource& source : tensors)
    bytes += align_up(source.tensor.bytes, kGgufAlignment);
  return bytes;
}

void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                const std::vector<GgufTensorSource>& tensors) {
  const std::string head = header(metadata, tensors);
  AtomicFile file(path);
  file.write(head);
  for (const GgufTensorSource& source : tensors) write_tensor(file, source);
  file.commit();
}

}  // namespace slmtune::exporting
