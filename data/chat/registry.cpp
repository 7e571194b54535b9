// The list of chat templates. Adding one = one function of a family file and one line here.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"
#include "data/chat/families.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {

std::span<const ChatTemplate> ChatTemplate::all() {
  static const std::array templates = {chatml_template(),       qwen2_template(),
                                       qwen2_5_template(),      qwen2_5_base_template(),
                                       llama3_template(),       llama3_1_template(),
                                       llama3_2_template(),     gemma2_template(),
                                       mistral_v0_1_template(), mistral_v0_2_template(),
                                       mistral_v1_template(),   mistral_v3_template(),
                                       mistral_v7_template(),   mistral_v3_tekken_template(),
                                       phi3_template(),         phi3_5_template(),
                                       phi4_template(),         phi4_mini_template()};
  return templates;
}

const ChatTemplate& ChatTemplate::by_name(std::string_view name) {
  std::vector<std::string> names;
  for (const ChatTemplate& one : all()) {
    if (one.name == name) return one;
    names.emplace_back(one.name);
  }
  const std::string near = nearest_name(name, names);
  throw UserError("R040", "", "unknown chat template '" + std::string(name) + "'",
                  near.empty() ? "choose " + quoted_list(names) : "did you mean '" + near + "'?");
}

std::vector<Span> ChatTemplate::render(const Conversation& conversation,
                                       bool generation_prompt) const {
  check_takes(*this, conversation);
  const std::span<const Message> messages = conversation.messages;
  const bool sound = std::all_of(messages.begin(), messages.end(),
                                 [](const Message& message) { return is_utf8(message.text); });
  if (sound) return render_spans(conversation, generation_prompt);
  std::vector<Message> repaired(messages.begin(), messages.end());
  for (Message& message : repaired) message.text = replace_invalid_utf8(message.text);
  return render_spans({repaired, conversation.tools}, generation_prompt);
}

std::string ChatTemplate::render_text(const Conversation& conversation,
                                      bool generation_prompt) const {
  std::string text;
  for (const Span& span : render(conversation, generation_prompt)) text += span.text;
  return text;
}

}  // namespace slmtune::data
