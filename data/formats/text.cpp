// {"text": "…"}: plain text, all of it trained.
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "text");
}

std::string parse(const object& row, Example& example) {
  std::string text;
  if (std::string reason = read_text_field(row, "text", text); !reason.empty()) return reason;
  if (text.empty()) return "'text' is empty";
  example.kind = Example::Kind::kText;
  example.spans = {{std::move(text), true}};
  return {};
}

}  // namespace

Format text_format() {
  return {"text", "'text'", matches, parse};
}

}  // namespace slmtune::data
