// What a template cannot print is refused before anything is printed: nothing of a row may get lost
// unnoticed.
#include "core/error.h"
#include "data/chat/families.h"

namespace slmtune::data {
namespace {

std::string of_template(const ChatTemplate& chat) {
  return "the chat template '" + std::string(chat.name) + "'";
}

[[noreturn]] void refuse_role(const ChatTemplate& chat, const std::string& role,
                              const std::string& help) {
  throw UserError("D020", "", of_template(chat) + " takes no message of role '" + role + "'", help);
}

void check_message(const ChatTemplate& chat, const Message& message) {
  if (message.role == "system" && !chat.takes.system)
    refuse_role(chat, "system", "put the text in front of the first user's message");
  if (message.role == "tool" && !chat.takes.tool_results)
    refuse_role(chat, "tool",
                "leave tool results out, or give them to the model as text of a user's message");
  if (!message.tool_calls.empty() && !chat.takes.tool_calls)
    throw UserError("D022", "", of_template(chat) + " has no form for 'tool_calls'",
                    "write the call into the assistant's 'content' as the model's documentation "
                    "shows it");
  if (!message.tools.empty() && !chat.takes.system_tools)
    throw UserError("D022", "", of_template(chat) + " prints no 'tools' of a system message",
                    "give the functions in the row's own 'tools'");
}

}  // namespace

void check_takes(const ChatTemplate& chat, const Conversation& conversation) {
  for (const Message& message : conversation.messages) check_message(chat, message);
  if (!conversation.tools.empty() && !chat.takes.tools)
    throw UserError("D022", "", of_template(chat) + " has no form for 'tools'",
                    "describe the functions in the system text");
}

void refuse_order(std::string_view chat_template) {
  throw UserError("D023", "",
                  "the chat template '" + std::string(chat_template) +
                      "' takes user and assistant in turn, the user first",
                  "join neighbouring messages of one role, and begin with the user");
}

std::string_view take_system(std::span<const Message>& messages) {
  if (messages.empty() || messages[0].role != "system") return {};
  const std::string_view text = messages[0].text;
  messages = messages.subspan(1);
  return text;
}

}  // namespace slmtune::data
