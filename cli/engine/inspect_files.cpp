#include <fmt/format.h>

#include "cli/engine/inspect.h"
#include "core/safetensors.h"
#include "core/shape.h"
#include "core/text.h"

namespace slmtune::cli {

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

}  // namespace slmtune::cli
