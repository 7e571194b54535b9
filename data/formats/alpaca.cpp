// {"instruction": "…", "input": "…", "output": "…", "system": "…", "history": [["question",
// "answer"], …]}
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "instruction") && has_field(row, "output");
}

// An absent, null or empty field leaves `text` empty.
std::string read_optional_text(const object& row, std::string_view key, std::string& text) {
  return has_field(row, key) ? read_text_field(row, key, text) : std::string();
}

std::string read_history(const object& row, Example& example) {
  if (!has_field(row, "history")) return {};
  array rounds;
  if (row["history"].get_array().get(rounds)) return "'history' is not a list";
  for (element entry : rounds) {
    array pair;
    std::string_view question, answer;
    if (entry.get_array().get(pair) || pair.size() != 2 || pair.at(0).get_string().get(question) ||
        pair.at(1).get_string().get(answer))
      return "'history' has an entry that is not a pair of texts";
    example.messages.push_back({"user", std::string(question), false});
    example.messages.push_back({"assistant", std::string(answer), true});
  }
  return {};
}

std::string parse(const object& row, Example& example) {
  std::string system, instruction, input, output;
  std::string reason = read_optional_text(row, "system", system);
  if (reason.empty()) reason = read_text_field(row, "instruction", instruction);
  if (reason.empty()) reason = read_optional_text(row, "input", input);
  if (reason.empty()) reason = read_text_field(row, "output", output);
  if (!reason.empty()) return reason;
  if (!system.empty()) example.messages.push_back({"system", system, false});
  if (reason = read_history(row, example); !reason.empty()) return reason;
  if (!input.empty()) instruction += (instruction.empty() ? "" : "\n") + input;
  if (output.empty()) return "'output' is empty";
  example.messages.push_back({"user", instruction, false});
  example.messages.push_back({"assistant", output, true});
  return check_conversation(example);
}

}  // namespace

Format alpaca_format() {
  return {"alpaca", "'instruction' and 'output'", matches, parse};
}

}  // namespace slmtune::data
