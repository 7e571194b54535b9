// Program of chat_template_test.py: render_lines FOLDER.
// Each line of stdin is {"messages": [...], "prompt": bool}. Answers {"name", "text"}, the template
// that was recognised in FOLDER and what it prints, or {"error": code}.
#include <iostream>

#include "core/error.h"
#include "core/json.h"
#include "data/chat/chat_template.h"

namespace {

using slmtune::Json;
using slmtune::data::ChatTemplate;
using slmtune::data::Message;

Json answer(const std::filesystem::path& folder, const Json& question) try {
  const ChatTemplate& chat = ChatTemplate::detect(folder);
  std::vector<Message> messages;
  for (const Json& one : question["messages"])
    messages.push_back({one["role"].get<std::string>(), one["content"].get<std::string>(), false});
  return {{"name", chat.name},
          {"text", chat.render_text(messages, question["prompt"].get<bool>())}};
} catch (const slmtune::Error& error) {
  return {{"error", error.code()}};
}

}  // namespace

int main(int argc, char** argv) try {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(argc > 1 ? argv[1] : ".", Json::parse(line)).dump() << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
