#include "export/gguf/phi3_name.h"

#include <string_view>

namespace slmtune::exporting {

NamedPart find_phi3(const std::string& name) {
  std::string small = name;
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const std::string_view word : {"phi-3", "phi3"})
    if (const size_t at = small.find(word); at != std::string::npos) return {at, word.size()};
  return {};
}

}  // namespace slmtune::exporting
