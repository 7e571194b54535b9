// {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…", "train":
// true}]}, with "tools" and "tool_calls" as in OpenAI's interface
#include "data/formats/shapes.h"
#include "data/formats/tools.h"
#include "data/formats/turns.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "messages");
}

std::string parse(const object& row, Example& example) {
  array turns;
  if (row["messages"].get_array().get(turns)) return "'messages' is not a list";
  std::string reason = read_tools(row, example.tools);
  if (reason.empty()) reason = read_turns(turns, read_message, example.messages);
  return reason.empty() ? check_conversation(example) : reason;
}

}  // namespace

Format messages_format() {
  return {"messages", "'messages'", matches, parse};
}

}  // namespace slmtune::data
