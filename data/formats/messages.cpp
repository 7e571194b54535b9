// {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…", "train":
// true}]}
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "messages");
}

bool is_filled_list(const object& row, std::string_view key) {
  array list;
  return !row[key].get_array().get(list) && list.size() > 0;
}

std::string read_message(const object& turn, Message& message) {
  if (std::string reason = read_text_field(turn, "role", message.role); !reason.empty())
    return reason;
  if (message.role == "developer") message.role = "system";
  if (message.role != "system" && message.role != "user" && message.role != "assistant" &&
      message.role != "tool")
    return "unknown role; expected system, user, assistant or tool";
  if (is_filled_list(turn, "tool_calls"))
    return "'tool_calls' cannot be trained yet; write the call into 'content'";
  if (std::string reason = read_content(turn, "content", message.text); !reason.empty())
    return reason;
  message.train = message.role == "assistant";
  return read_train_mark(turn, message.train);
}

std::string parse(const object& row, Example& example) {
  array turns;
  if (row["messages"].get_array().get(turns)) return "'messages' is not a list";
  if (is_filled_list(row, "tools"))
    return "'tools' cannot be trained yet; put them into the system text";
  size_t number = 0;
  for (element entry : turns) {
    ++number;
    object turn;
    if (entry.get_object().get(turn)) return in_message(number, "not an object");
    std::string reason = read_message(turn, example.messages.emplace_back());
    if (!reason.empty()) return in_message(number, reason);
  }
  return check_conversation(example);
}

}  // namespace

Format messages_format() {
  return {"messages", "'messages'", matches, parse};
}

}  // namespace slmtune::data
