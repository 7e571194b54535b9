// {"system": "…", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value":
// "…"}]}
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "conversations");
}

// "" for a speaker that nobody knows.
std::string role_of(std::string_view speaker) {
  if (speaker == "human" || speaker == "user") return "user";
  if (speaker == "gpt" || speaker == "assistant") return "assistant";
  if (speaker == "system") return "system";
  if (speaker == "tool" || speaker == "observation") return "tool";
  return {};
}

std::string read_turn(const object& turn, Message& message) {
  const bool openai_words = !has_field(turn, "from") && has_field(turn, "role");
  std::string speaker;
  std::string reason = read_text_field(turn, openai_words ? "role" : "from", speaker);
  if (!reason.empty()) return reason;
  message.role = role_of(speaker);
  if (message.role.empty())
    return "unknown speaker; expected human, gpt, system, tool or observation";
  reason = read_content(turn, openai_words ? "content" : "value", message.text);
  if (!reason.empty()) return reason;
  message.train = message.role == "assistant";
  return read_train_mark(turn, message.train);
}

std::string parse(const object& row, Example& example) {
  array turns;
  if (row["conversations"].get_array().get(turns)) return "'conversations' is not a list";
  if (has_field(row, "system")) {
    Message system{"system", "", false};
    if (std::string reason = read_text_field(row, "system", system.text); !reason.empty())
      return reason;
    if (!system.text.empty()) example.messages.push_back(std::move(system));
  }
  size_t number = 0;
  for (element entry : turns) {
    ++number;
    object turn;
    if (entry.get_object().get(turn)) return in_message(number, "not an object");
    std::string reason = read_turn(turn, example.messages.emplace_back());
    if (!reason.empty()) return in_message(number, reason);
  }
  return check_conversation(example);
}

}  // namespace

Format sharegpt_format() {
  return {"sharegpt", "'conversations'", matches, parse};
}

}  // namespace slmtune::data
