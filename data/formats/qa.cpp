// {"question": "…", "answer": "…"}: one user turn and the assistant's answer, as FAQ exports come.
#include "data/formats/fields.h"
#include "data/formats/shapes.h"

namespace slmtune::data {
namespace {

bool matches(const object& row) {
  return has_field(row, "question") && has_field(row, "answer");
}

std::string parse(const object& row, Example& example) {
  std::string question, answer;
  std::string reason = read_text_field(row, "question", question);
  if (reason.empty()) reason = read_text_field(row, "answer", answer);
  if (!reason.empty()) return reason;
  if (answer.empty()) return "'answer' is empty";
  example.kind = Example::Kind::kChat;
  example.messages = {{"user", std::move(question), false}, {"assistant", std::move(answer), true}};
  return {};
}

}  // namespace

Format qa_format() {
  return {"qa", "'question' and 'answer'", matches, parse};
}

}  // namespace slmtune::data
