#include "export/importance/importance_matrix.h"

#include <fmt/format.h>

#include "core/error.h"

namespace slmtune::exporting {

std::vector<float> ImportanceMatrix::columns_of(const std::string& tensor, int64_t columns) const {
  const auto found = entries.find(tensor);
  if (found == entries.end()) {
    if (tensor == "token_embd.weight" || tensor == "output.weight") return {};
    throw FileFormatError("F111", where, "there are no values for tensor '" + tensor + "'",
                          "take the matrix that was collected with this model");
  }
  const Entry& entry = found->second;
  if (entry.sums.size() != static_cast<size_t>(columns))
    throw FileFormatError("F111", where,
                          fmt::format("tensor '{}' has {} columns but the matrix {}", tensor,
                                      columns, entry.sums.size()),
                          "take the matrix that was collected with this model");
  if (entry.count <= 0.0) return std::vector<float>(entry.sums.size(), 1.0f);
  std::vector<float> weights;
  weights.reserve(entry.sums.size());
  for (const float sum : entry.sums) weights.push_back(sum / static_cast<float>(entry.count));
  return weights;
}

GgufMetadata ImportanceMatrix::file_keys() const {
  GgufMetadata keys{{"quantize.imatrix.entries_count", static_cast<uint32_t>(entries.size())}};
  if (chunks > 0) keys.push_back({"quantize.imatrix.chunks_count", chunks});
  return keys;
}

}  // namespace slmtune::exporting
