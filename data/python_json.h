// JSON as Python's json.dumps(value, ensure_ascii=False) writes it: the form in which chat
// templates show tools and calls to a model (transformers' `tojson` filter), so ids depend on every
// blank.
#pragma once
#include <string>
#include <string_view>

#include "core/json.h"

namespace slmtune::data {

// `indent` < 0: one line with ", " and ": "; else as indent=N.
std::string python_json(const OrderedJson& value, int indent = -1);

// The value of a text that python_json wrote. Here once, since each file that parses by itself takes seconds to build.
OrderedJson parse_python_json(std::string_view text);

// A text in quotes.
std::string python_json_text(std::string_view text);

}  // namespace slmtune::data
