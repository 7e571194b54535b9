// Program of chat_template_test.py: render_lines FOLDER.
// Each line of stdin is {"row": "…", "prompt": bool}, where row is the text of a JSON row of
// messages. Answers {"name", "text", "trained"} (the template that was recognised in FOLDER, what
// it prints and what of that is trained) with "ids" when FOLDER has a tokenizer, or {"error": code
// or reason}.
#include <simdjson.h>

#include <iostream>
#include <optional>

#include "core/error.h"
#include "core/json.h"
#include "data/chat/chat_template.h"
#include "data/formats/format.h"

namespace {

using slmtune::Json;
using slmtune::data::ChatTemplate;
using slmtune::data::Example;
using slmtune::data::Span;
using slmtune::data::Tokenizer;

Json answer(const ChatTemplate& chat, const std::optional<Tokenizer>& tokenizer,
            const Json& question) try {
  simdjson::dom::parser parser;
  const std::string row = question["row"].get<std::string>();
  Example example;
  const std::string reason = slmtune::data::find_format("messages")
                                 ->parse(parser.parse(row).get_object().value(), example);
  if (!reason.empty()) return {{"error", reason}};
  const bool prompt = question["prompt"].get<bool>();
  std::string trained;
  for (const Span& span : chat.render(example, prompt))
    if (span.train) trained += span.text;
  Json result{
      {"name", chat.name}, {"text", chat.render_text(example, prompt)}, {"trained", trained}};
  if (tokenizer)
    result["ids"] = prompt ? slmtune::data::prompt_ids(example, *tokenizer, chat)
                           : slmtune::data::tokenise(example, *tokenizer, &chat).ids;
  return result;
} catch (const slmtune::Error& error) {
  return {{"error", error.code()}};
}

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path folder = argc > 1 ? argv[1] : ".";
  const ChatTemplate& chat = ChatTemplate::detect(folder);
  std::optional<Tokenizer> tokenizer;
  if (Tokenizer::find_file(folder)) tokenizer.emplace(Tokenizer::load(folder));
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(chat, tokenizer, Json::parse(line)).dump() << '\n';
  return 0;
} catch (const slmtune::Error& error) {
  std::cout << Json{{"error", error.code()}}.dump() << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
