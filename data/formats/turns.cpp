#include "data/formats/turns.h"

#include "data/formats/tools.h"

namespace slmtune::data {
namespace {

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

// "" for a speaker that nobody knows.
std::string role_of(std::string_view speaker) {
  if (speaker == "human" || speaker == "user") return "user";
  if (speaker == "gpt" || speaker == "assistant") return "assistant";
  if (speaker == "system") return "system";
  if (speaker == "tool" || speaker == "observation") return "tool";
  return {};
}

// An absent, null or empty field leaves `text` empty.
std::string read_optional_text(const object& row, std::string_view key, std::string& text) {
  return has_field(row, key) ? read_text_field(row, key, text) : std::string();
}

std::string read_history(const object& row, std::vector<Message>& messages) {
  if (!has_field(row, "history")) return {};
  array rounds;
  if (row["history"].get_array().get(rounds)) return "'history' is not a list";
  for (element entry : rounds) {
    array pair;
    std::string_view question, answer;
    if (entry.get_array().get(pair) || pair.size() != 2 || pair.at(0).get_string().get(question) ||
        pair.at(1).get_string().get(answer))
      return "'history' has an entry that is not a pair of texts";
    messages.push_back({"user", std::string(question), false});
    messages.push_back({"assistant", std::string(answer), true});
  }
  return {};
}

}  // namespace

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

std::string read_any_turn(const object& turn, Message& message) {
  return has_field(turn, "from") ? read_turn(turn, message) : read_message(turn, message);
}

std::string read_turns(const array& turns, ReadTurn read, std::vector<Message>& messages) {
  size_t number = 0;
  for (element entry : turns) {
    ++number;
    object turn;
    if (entry.get_object().get(turn)) return in_message(number, "not an object");
    std::string reason = read(turn, messages.emplace_back());
    if (!reason.empty()) return in_message(number, reason);
  }
  return {};
}

std::string read_turns_field(const object& row, std::string_view key, ReadTurn read,
                             std::vector<Message>& messages) {
  const std::string name = "'" + std::string(key) + "'";
  array turns;
  object turn;
  std::string reason;
  if (!row[key].get_array().get(turns))
    reason = read_turns(turns, read, messages);
  else if (!row[key].get_object().get(turn))
    reason = read(turn, messages.emplace_back());
  else
    return name + " is neither a message nor a list of them";
  return reason.empty() ? reason : name + ": " + reason;
}

std::string read_system(const object& row, std::vector<Message>& messages) {
  std::string text;
  if (std::string reason = read_optional_text(row, "system", text); !reason.empty()) return reason;
  if (!text.empty()) messages.push_back({"system", std::move(text), false});
  return {};
}

std::string read_instruction(const object& row, std::vector<Message>& messages) {
  std::string instruction, input;
  std::string reason = read_system(row, messages);
  if (reason.empty()) reason = read_text_field(row, "instruction", instruction);
  if (reason.empty()) reason = read_optional_text(row, "input", input);
  if (reason.empty()) reason = read_history(row, messages);
  if (!reason.empty()) return reason;
  if (!input.empty()) instruction += (instruction.empty() ? "" : "\n") + input;
  messages.push_back({"user", instruction, false});
  return {};
}

std::string read_prompt(const object& row, std::vector<Message>& messages) {
  if (has_field(row, "instruction")) return read_instruction(row, messages);
  if (std::string reason = read_system(row, messages); !reason.empty()) return reason;
  for (const char* key : {"prompt", "messages", "conversations", "question"}) {
    if (!has_field(row, key)) continue;
    std::string_view text;
    if (row[key].get_string().get(text)) return read_turns_field(row, key, read_any_turn, messages);
    messages.push_back({"user", std::string(text), false});
    return {};
  }
  return {};
}

}  // namespace slmtune::data
