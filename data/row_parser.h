// The lines of a file → Examples, one after the other. Each thread has its own.
#pragma once
#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "data/formats/format.h"

namespace slmtune::data {

class RowParser {
 public:
  // `format_name` is that of a format, or "auto".
  explicit RowParser(const std::string& format_name);

  // Nothing, or what is wrong with the line (D002 to D006), without its place. `row` lives until
  // the next call.
  std::optional<Diagnostic> parse(std::string_view line, Example& example,
                                  simdjson::dom::object& row);

 private:
  std::optional<Diagnostic> read_object(std::string_view line, simdjson::dom::object& row);
  std::optional<Diagnostic> choose(const simdjson::dom::object& row, const Format*& format) const;

  const Format* declared_ = nullptr;
  simdjson::dom::parser parser_;
};

}  // namespace slmtune::data
