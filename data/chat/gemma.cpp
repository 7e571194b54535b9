// Gemma 2: turns of user and model, trimmed texts, no system role.
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"

namespace slmtune::data {
namespace {

constexpr std::string_view kName = "gemma2";

std::vector<Span> render(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans{{"<bos>", false}};
  bool users_turn = true;
  for (const Message& message : conversation.messages) {
    if ((message.role == "user") != users_turn) refuse_order(kName);
    users_turn = !users_turn;
    const bool user = message.role == "user";
    spans.push_back({user ? "<start_of_turn>user\n" : "<start_of_turn>model\n", false});
    spans.push_back({std::string(strip(message.text)) + "<end_of_turn>", message.train});
    spans.push_back({"\n", false});
  }
  if (generation_prompt) spans.push_back({"<start_of_turn>model\n", false});
  return spans;
}

// Gemma 1 has the same text. Gemma 3 takes a system text and images: it prints other things.
bool recognise(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  std::string_view emitted = facts.emitted;
  const bool begins = emitted.starts_with("<bos>");
  if (begins) emitted.remove_prefix(5);
  return emitted == "model<start_of_turn>\n<end_of_turn>\n<start_of_turn>model\n" &&
         facts.uses("trim") && facts.says("system\n") && facts.uses("raise_exception") &&
         (begins || facts.uses("bos_token"));
}

// Ollama hands out system texts: they go where Gemma's own documentation puts them.
constexpr std::string_view kOllama =
    "{{ $system := .System }}{{ range .Messages }}{{ if eq .Role \"user\" }}<start_of_turn>user\n"
    "{{ if $system }}{{ $system }}\n\n{{ $system = \"\" }}{{ end }}{{ .Content }}<end_of_turn>\n"
    "{{ else if eq .Role \"assistant\" }}<start_of_turn>model\n{{ .Content }}<end_of_turn>\n"
    "{{ end }}{{ end }}<start_of_turn>model\n";

}  // namespace

ChatTemplate gemma2_template() {
  return {kName, "<end_of_turn>", {.system = false}, kOllama, render, recognise};
}

}  // namespace slmtune::data
