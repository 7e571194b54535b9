// {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…", "train":
// true}]}, with "tools" and "tool_calls" as in OpenAI's interface
#include "data/formats/fields.h"
#include "data/formats/shapes.h"
#include "data/formats/tools.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "messages");
}

// Calls of the assistant, the call that a tool's message answers, functions that a system message
// names by itself.
std::string read_tool_fields(const object& turn, Message& message) {
  if (std::string reason = read_tool_calls(turn, message.tool_calls); !reason.empty())
    return reason;
  if (!message.tool_calls.empty() && message.role != "assistant")
    return "only the assistant can have 'tool_calls'";
  if (message.role == "tool" && has_field(turn, "tool_call_id"))
    return read_text_field(turn, "tool_call_id", message.tool_call_id);
  if (message.role == "system" && has_field(turn, "tools"))
    return read_text_field(turn, "tools", message.tools);
  return {};
}

std::string read_message(const object& turn, Message& message) {
  if (std::string reason = read_text_field(turn, "role", message.role); !reason.empty())
    return reason;
  if (message.role == "developer") message.role = "system";
  if (message.role != "system" && message.role != "user" && message.role != "assistant" &&
      message.role != "tool")
    return "unknown role; expected system, user, assistant or tool";
  if (std::string reason = read_tool_fields(turn, message); !reason.empty()) return reason;
  // A call needs no text beside it.
  if (message.tool_calls.empty() || has_field(turn, "content"))
    if (std::string reason = read_content(turn, "content", message.text); !reason.empty())
      return reason;
  message.train = message.role == "assistant";
  return read_train_mark(turn, message.train);
}

std::string parse(const object& row, Example& example) {
  array turns;
  if (row["messages"].get_array().get(turns)) return "'messages' is not a list";
  if (std::string reason = read_tools(row, example.tools); !reason.empty()) return reason;
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
