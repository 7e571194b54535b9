// {"instruction": "…", "input": "…", "output": "…", "system": "…", "history": [["question",
// "answer"], …]}
#include "data/formats/shapes.h"
#include "data/formats/turns.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "instruction") && has_field(row, "output");
}

std::string parse(const object& row, Example& example) {
  std::string output;
  std::string reason = read_instruction(row, example.messages);
  if (reason.empty()) reason = read_text_field(row, "output", output);
  if (!reason.empty()) return reason;
  if (output.empty()) return "'output' is empty";
  example.messages.push_back({"assistant", output, true});
  return check_conversation(example);
}

}  // namespace

Format alpaca_format() {
  return {"alpaca", "'instruction' and 'output'", matches, parse};
}

}  // namespace slmtune::data
