// An answer that people liked or did not:
//   {"prompt": "…", "completion": "…", "label": true}            plain text, or lists of messages
//   any conversation of another shape with "kto_tag": true       its last answer was rated
#include <array>

#include "data/formats/shapes.h"
#include "data/formats/tools.h"
#include "data/formats/turns.h"

namespace slmtune::data {
namespace {

bool is_vote(const object& row, std::string_view key) {
  element value;
  return !row[key].get(value) && value.is_bool();
}

// The shape that holds the conversation beside a vote.
const Format* inner_format(const object& row) {
  static const std::array list = {messages_format(), sharegpt_format(), alpaca_format(),
                                  completion_format(), qa_format()};
  for (const Format& format : list)
    if (format.matches(row)) return &format;
  return nullptr;
}

bool matches(const object& row) {
  if (is_vote(row, "kto_tag")) return inner_format(row) != nullptr;
  return is_vote(row, "label") && completion_format().matches(row);
}

bool is_list(const object& row, std::string_view key) {
  element value;
  return !row[key].get(value) && !value.is_string();
}

// {"prompt": [messages], "completion": [messages]}; either may also be a text.
std::string parse_messages(const object& row, Example& example) {
  std::string reason = read_tools(row, example.tools);
  if (reason.empty()) reason = read_prompt(row, example.messages);
  if (!reason.empty()) return reason;
  if (is_list(row, "completion"))
    reason = read_turns_field(row, "completion", read_any_turn, example.messages);
  else
    reason = read_text_field(row, "completion",
                             example.messages.emplace_back(Message{"assistant", "", true}).text);
  return reason.empty() ? check_conversation(example) : reason;
}

// Only the last answer was rated.
std::string train_last(Example& example) {
  if (example.messages.back().role != "assistant")
    return "the last message is not the assistant's; the vote is about its answer";
  for (size_t i = 0; i + 1 < example.messages.size(); ++i) example.messages[i].train = false;
  return {};
}

std::string parse(const object& row, Example& example) {
  const char* key = is_vote(row, "kto_tag") ? "kto_tag" : "label";
  example.mark = bool(row[key].get_bool().value()) ? RowMark::kGood : RowMark::kBad;
  const Format& inner = *inner_format(row);
  const bool is_split = inner.name == "completion";
  std::string reason = is_split && (is_list(row, "prompt") || is_list(row, "completion"))
                           ? parse_messages(row, example)
                           : inner.parse(row, example);
  return reason.empty() && example.kind == Example::Kind::kChat ? train_last(example) : reason;
}

}  // namespace

Format kto_format() {
  return {"kto",
          "'prompt', 'completion' and a 'label' that is true or false, or a conversation with "
          "'kto_tag'",
          matches, parse};
}

}  // namespace slmtune::data
