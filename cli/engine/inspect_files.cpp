#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/engine/inspect.h"
#include "core/safetensors.h"
#include "core/text.h"
#include "export/encodings/encoding.h"
#include "export/gguf/gguf.h"

namespace slmtune::cli {
namespace {

// Longer arrays (vocabularies, merges) are only counted.
constexpr size_t kShownItems = 8;

template <typename Item>
OrderedJson array_json(const std::vector<Item>& items) {
  if (items.size() > kShownItems) return {{"length", items.size()}};
  return items;
}

OrderedJson value_json(const exporting::GgufValue& value) {
  return std::visit(
      [](const auto& held) -> OrderedJson {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::vector<std::string>> ||
                      std::is_same_v<Held, std::vector<int32_t>> ||
                      std::is_same_v<Held, std::vector<float>>)
          return array_json(held);
        else
          return held;
      },
      value);
}

std::string value_text(const OrderedJson& value) {
  if (value.is_object()) return fmt::format("array of {}", value["length"].get<size_t>());
  return shown(value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace), 100);
}

}  // namespace

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Inspection inspect_safetensors(const std::filesystem::path& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  Inspection result;
  uint64_t elements = 0, bytes = 0;
  std::string table;
  OrderedJson tensors = OrderedJson::array();
  for (const auto& [name, view] : file.tensors()) {
    elements += view.elements();
    bytes += view.bytes.size();
    table += fmt::format("  {:<64} {:<5} {}\n", shown(name, 200), dtype_name(view.dtype),
                         shape_text(view.shape));
    tensors.push_back({{"name", name}, {"dtype", dtype_name(view.dtype)}, {"shape", view.shape}});
  }
  result.text = fmt::format("safetensors: {} tensors, {} elements, {}\n", tensors.size(), elements,
                            human_bytes(bytes));
  for (const auto& [key, value] : file.metadata())
    result.text += fmt::format("  metadata {}: {}\n", shown(key), shown(value));
  result.text += table;
  result.json = {{"schema", 1},          {"kind", "safetensors"}, {"path", path.string()},
                 {"elements", elements}, {"bytes", bytes},        {"metadata", file.metadata()},
                 {"tensors", tensors}};
  return result;
}

Inspection inspect_gguf(const std::filesystem::path& path) {
  exporting::GgufFile file = exporting::GgufFile::open(path);
  Inspection result;
  result.text = fmt::format("GGUF: {} metadata keys, {} tensors\n", file.metadata().size(),
                            file.tensors().size());
  OrderedJson metadata = OrderedJson::object(), tensors = OrderedJson::array();
  for (const auto& [key, value] : file.metadata()) {
    metadata[key] = value_json(value);
    result.text += fmt::format("  {:<44} {}\n", shown(key, 200), value_text(metadata[key]));
  }
  for (const exporting::GgufTensor& tensor : file.tensors()) {
    const exporting::Encoding* encoding = exporting::find_encoding(tensor.type);
    std::string type = encoding ? std::string(encoding->name) : fmt::format("type {}", tensor.type);
    result.text +=
        fmt::format("  {:<44} {:<6} {}\n", shown(tensor.name, 200), type, shape_text(tensor.shape));
    tensors.push_back(
        {{"name", tensor.name}, {"type", type}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
  }
  result.json = {{"schema", 1},
                 {"kind", "gguf"},
                 {"path", path.string()},
                 {"metadata", metadata},
                 {"tensors", tensors}};
  return result;
}

}  // namespace slmtune::cli
