#include "export/modelfile.h"

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "export/export.h"

namespace slmtune::exporting {
namespace {

// Length of a mark such as <|user|>, <start_of_turn>, </s> or [INST] that begins at `start`; 0 if
// none does.
size_t mark_length(std::string_view text, size_t start) {
  const char close = text[start] == '<' ? '>' : ']';
  size_t end = start + 1;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) ||
                               std::string_view("|/_").find(text[end]) != std::string_view::npos))
    ++end;
  return end < text.size() && text[end] == close && end > start + 1 ? end + 1 - start : 0;
}

}  // namespace

std::vector<std::string> stop_texts(const data::ChatTemplate& chat) {
  std::vector<std::string> stops;
  const auto add = [&](std::string_view text) {
    if (!text.empty() && std::find(stops.begin(), stops.end(), text) == stops.end())
      stops.emplace_back(text);
  };
  const std::string_view text = chat.ollama;
  for (size_t start = text.find_first_of("<["); start != std::string_view::npos;
       start = text.find_first_of("<[", start + 1))
    add(text.substr(start, mark_length(text, start)));
  add(chat.end_of_turn);
  return stops;
}

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
