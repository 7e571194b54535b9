// Shapes of JSONL rows. One file per shape; the registry (registry.cpp) lists them.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "data/example.h"

namespace simdjson::dom { class object; }

namespace slmtune::data {

struct Format {
  std::string_view name;                                      // recipe word: preference, kto, messages, sharegpt, alpaca, …
  std::string_view fields;                                    // for messages: "'messages'", "'prompt' and 'completion'"
  bool (*matches)(const simdjson::dom::object& row);          // by its fields
  // Fills an Example, or returns the reason why the row cannot be used ("" = fine). Reasons never quote the row's text.
  std::string (*parse)(const simdjson::dom::object& row, Example& example);
};

std::span<const Format> formats();
const Format* find_format(std::string_view name);

}  // namespace slmtune::data
