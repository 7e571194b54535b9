#include <set>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "core/stop.h"

namespace slmtune {
namespace {

uint64_t tensor_bytes(const TensorSource& tensor) {
  uint64_t bytes = dtype_bytes(tensor.dtype);
  for (int64_t size : tensor.shape) bytes *= static_cast<uint64_t>(size);
  return bytes;
}

// The header in the given order, padded with spaces so that the data starts at a multiple of 8.
std::string header_text(const std::vector<TensorSource>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{\"__metadata__\":" + Json(metadata).dump();
  std::set<std::string> names = {"__metadata__"};
  uint64_t position = 0;
  for (const TensorSource& tensor : tensors) {
    SLMTUNE_ASSERT(names.insert(tensor.name).second, "two tensors of one name");
    uint64_t end = position + tensor_bytes(tensor);
    text += "," + Json(tensor.name).dump() + ":{\"dtype\":\"" +
            std::string(dtype_name(tensor.dtype)) + "\",\"shape\":" + Json(tensor.shape).dump() +
            ",\"data_offsets\":[" + std::to_string(position) + "," + std::to_string(end) + "]}";
    position = end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  std::string header = header_text(tensors, metadata);
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);

  AtomicFile file(path);
  file.write(length);
  file.write(header);
  for (const TensorSource& tensor : tensors) {
    uint64_t start = file.written();
    check_stop();
    tensor.fill([&file](std::span<const std::byte> bytes) { file.write(bytes); });
    SLMTUNE_ASSERT(file.written() - start == tensor_bytes(tensor),
                   "tensor " + tensor.name + " has another size than its shape");
  }
  file.commit();
}

}  // namespace slmtune
