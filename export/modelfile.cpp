#include <algorithm>

#include "core/error.h"
#include "export/export.h"

namespace slmtune::exporting {
namespace {

// Marks of the form <|…|> in the template: none of them belongs into an answer.
std::vector<std::string> stop_texts(const data::ChatTemplate& chat) {
  std::vector<std::string> stops;
  const auto add = [&](std::string_view text) {
    if (!text.empty() && std::find(stops.begin(), stops.end(), text) == stops.end())
      stops.emplace_back(text);
  };
  const std::string_view text = chat.ollama;
  for (size_t start = text.find("<|"); start != std::string_view::npos;
       start = text.find("<|", start + 2)) {
    const size_t end = text.find("|>", start);
    if (end == std::string_view::npos) break;
    add(text.substr(start, end + 2 - start));
  }
  add(chat.end_of_turn);
  return stops;
}

}  // namespace

std::string modelfile(const std::string& gguf_name, const data::ChatTemplate* chat,
                      int64_t context) {
  std::string text = "FROM ./" + gguf_name + "\n";
  if (chat) {
    // Text in """ knows no escapes.
    SLMTUNE_ASSERT(chat->ollama.find("\"\"\"") == std::string_view::npos,
                   "template cannot be quoted");
    text += "TEMPLATE \"\"\"" + std::string(chat->ollama) + "\"\"\"\n";
    for (const std::string& stop : stop_texts(*chat)) text += "PARAMETER stop \"" + stop + "\"\n";
  }
  return text + "PARAMETER num_ctx " + std::to_string(context) + "\n";
}

}  // namespace slmtune::exporting
