// {"system": "…", "conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value":
// "…"}]}
#include "data/formats/shapes.h"
#include "data/formats/turns.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "conversations");
}

std::string parse(const object& row, Example& example) {
  array turns;
  if (row["conversations"].get_array().get(turns)) return "'conversations' is not a list";
  std::string reason = read_system(row, example.messages);
  if (reason.empty()) reason = read_turns(turns, read_turn, example.messages);
  return reason.empty() ? check_conversation(example) : reason;
}

}  // namespace

Format sharegpt_format() {
  return {"sharegpt", "'conversations'", matches, parse};
}

}  // namespace slmtune::data
