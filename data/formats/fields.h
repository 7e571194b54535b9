// Reading fields of a row, shared by the shapes. Functions return the reason why a field cannot be
// used, "" if it can; reasons name fields and places, never the row's text.
#pragma once
#include <simdjson.h>

#include <string>
#include <string_view>

#include "data/example.h"

namespace slmtune::data {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

// Present and not null.
bool has_field(const object& row, std::string_view key);

// A text, or a list of parts {"type": "text", "text": …}, which are joined.
std::string read_content(const object& row, std::string_view key, std::string& text);

// Only a text.
std::string read_text_field(const object& row, std::string_view key, std::string& text);

// "train": true|false and "weight": 0|1 of a turn; `train` keeps its value when neither is there.
std::string read_train_mark(const object& turn, bool& train);

// "message 3: reason", or "" for "".
std::string in_message(size_t number, const std::string& reason);

// What every chat shape must hold: at least one turn, no assistant turn without text.
std::string check_conversation(const Example& example);

}  // namespace slmtune::data
