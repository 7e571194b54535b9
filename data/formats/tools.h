// The functions of a row in OpenAI's shape: the row's "tools" and the assistant's "tool_calls".
#pragma once
#include <string>
#include <vector>

#include "data/formats/fields.h"

namespace slmtune::data {

// "tools": [{"type": "function", "function": {"name": …, "description": …, "parameters": {…}}}].
// Absent, null or empty leaves `tools` empty. Both give the reason why the field cannot be used.
std::string read_tools(const object& row, std::vector<std::string>& tools);

// "tool_calls": [{"id": …, "type": "function", "function": {"name": …, "arguments": …}}], where the
// arguments are an object or, as OpenAI's interface gives them, the text of one.
std::string read_tool_calls(const object& turn, std::vector<ToolCall>& calls);

}  // namespace slmtune::data
