// Lists of messages, shared by the shapes that hold conversations. Functions return the reason why
// a list cannot be used, "" if it can.
#pragma once
#include <string>
#include <vector>

#include "data/formats/fields.h"

namespace slmtune::data {

// One message {"role", "content"}, with "tool_calls", "train" and "weight" if it has them.
std::string read_message(const object& turn, Message& message);

// One turn {"from", "value"}, or with the words of read_message().
std::string read_turn(const object& turn, Message& message);

// Whichever of the two the turn is.
std::string read_any_turn(const object& turn, Message& message);

using ReadTurn = std::string (*)(const object&, Message&);

// Appends every turn of `turns`.
std::string read_turns(const array& turns, ReadTurn read, std::vector<Message>& messages);

// The member `key`, which is a list of turns or a single one.
std::string read_turns_field(const object& row, std::string_view key, ReadTurn read,
                             std::vector<Message>& messages);

// A member "system" as the first message, unless it is absent or empty.
std::string read_system(const object& row, std::vector<Message>& messages);

// Alpaca's question: the members system, history and instruction with input. The answers in the
// history train.
std::string read_instruction(const object& row, std::vector<Message>& messages);

// The prompt of a row whose answer stands beside it: "prompt" (a text or messages), "messages",
// "conversations", "instruction" or "question". None of them: no messages.
std::string read_prompt(const object& row, std::vector<Message>& messages);

}  // namespace slmtune::data
