#include "data/formats/fields.h"

namespace slmtune::data {
namespace {

std::string quoted(std::string_view key) {
  return "'" + std::string(key) + "'";
}

std::string read_parts(const array& parts, std::string_view key, std::string& text) {
  text.clear();
  for (element entry : parts) {
    object part;
    std::string_view piece, type = "text";
    if (entry.get_object().get(part)) return quoted(key) + " has a part that is not an object";
    if (has_field(part, "type") && part["type"].get_string().get(type))
      return quoted(key) + " has a part whose 'type' is not a text";
    if (type != "text")
      return quoted(key) + " has a part that is not of type 'text'; only text can be trained";
    if (part["text"].get_string().get(piece)) return quoted(key) + " has a part without 'text'";
    text += piece;
  }
  return {};
}

}  // namespace

bool has_field(const object& row, std::string_view key) {
  element value;
  return !row[key].get(value) && !value.is_null();
}

std::string read_text_field(const object& row, std::string_view key, std::string& text) {
  element value;
  if (row[key].get(value)) return quoted(key) + " is missing";
  if (value.is_null()) return quoted(key) + " is null; a text is expected";
  std::string_view found;
  if (value.get_string().get(found)) return quoted(key) + " is not a text";
  text = found;
  return {};
}

std::string read_content(const object& row, std::string_view key, std::string& text) {
  array parts;
  if (!row[key].get_array().get(parts)) return read_parts(parts, key, text);
  return read_text_field(row, key, text);
}

std::string read_train_mark(const object& turn, bool& train) {
  if (has_field(turn, "weight")) {
    double weight = 0;
    if (turn["weight"].get_double().get(weight) || (weight != 0 && weight != 1))
      return "'weight' is neither 0 nor 1";
    train = weight == 1;
  }
  if (!has_field(turn, "train")) return {};
  bool mark = false;
  if (turn["train"].get_bool().get(mark)) return "'train' is neither true nor false";
  train = mark;
  return {};
}

std::string in_message(size_t number, const std::string& reason) {
  return reason.empty() ? reason : "message " + std::to_string(number) + ": " + reason;
}

std::string check_conversation(const Example& example) {
  if (example.messages.empty()) return "the row has no messages";
  for (size_t i = 0; i < example.messages.size(); ++i) {
    const Message& message = example.messages[i];
    if (message.role == "assistant" && message.text.empty() && message.tool_calls.empty())
      return in_message(i + 1, "the assistant's text is empty");
    if (message.role != "assistant" && message.train)
      return in_message(i + 1, "only the assistant's messages can be trained");
  }
  return {};
}

}  // namespace slmtune::data
