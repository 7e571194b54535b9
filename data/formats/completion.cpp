// {"prompt": "…", "completion": "…"}: plain text without a chat template; only the completion and
// the eos train.
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "prompt") && has_field(row, "completion");
}

std::string parse(const object& row, Example& example) {
  std::string prompt, completion;
  std::string reason = read_text_field(row, "prompt", prompt);
  if (reason.empty()) reason = read_text_field(row, "completion", completion);
  if (!reason.empty()) return reason;
  if (completion.empty()) return "'completion' is empty";
  example.kind = Example::Kind::kText;
  example.spans = {{std::move(prompt), false}, {std::move(completion), true}};
  return {};
}

}  // namespace

Format completion_format() {
  return {"completion", "'prompt' and 'completion'", matches, parse};
}

}  // namespace slmtune::data
