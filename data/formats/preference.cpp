// Two answers to one question, a better and a worse one:
//   {"prompt": "…", "chosen": "…", "rejected": "…"}              plain text, as format completion
//   {"prompt": [messages], "chosen": [messages], "rejected": [messages]}
//   {"chosen": [messages], "rejected": [messages]}               the prompt is what both begin with
//   {"messages" or "conversations": […], "chosen": {message}, "rejected": {message}}
//   {"instruction": "…", "input": "…", "chosen": "…", "rejected": "…"}, {"question": "…", …}
#include <algorithm>

#include "data/formats/shapes.h"
#include "data/formats/tools.h"
#include "data/formats/turns.h"

namespace slmtune::data {
namespace {

constexpr const char* kSame =
    "'chosen' and 'rejected' are the same; a pair needs a better and a worse answer";

bool matches(const object& row) {
  return has_field(row, "chosen") && has_field(row, "rejected");
}

bool is_text(const object& row, std::string_view key) {
  element value;
  return !row[key].get(value) && value.is_string();
}

bool is_same(const Message& a, const Message& b) {
  const auto same_call = [](const ToolCall& x, const ToolCall& y) {
    return x.id == y.id && x.function == y.function;
  };
  return a.role == b.role && a.text == b.text && a.tool_call_id == b.tool_call_id &&
         a.tools == b.tools && std::ranges::equal(a.tool_calls, b.tool_calls, same_call);
}

struct Answers {
  std::vector<Message> chosen, rejected;
};

// Appends the prompt and the answer; of both only the answer trains.
std::string put_together(const std::vector<Message>& prompt, std::vector<Message> answer,
                         const char* key, Example& example) {
  for (const Message& message : prompt) {
    example.messages.push_back(message);
    example.messages.back().train = false;
  }
  if (answer.empty() || answer.front().role != "assistant")
    return std::string("'") + key + "' does not begin with an answer of the assistant";
  const bool trains = std::ranges::any_of(answer, &Message::train);
  std::ranges::move(answer, std::back_inserter(example.messages));
  if (!trains) return std::string("'") + key + "' has nothing that is trained";
  return check_conversation(example);
}

std::string make_pair(const std::vector<Message>& prompt, Answers answers, Example& example) {
  if (std::ranges::equal(answers.chosen, answers.rejected, is_same)) return kSame;
  Example& other = example.rejected.emplace_back();
  other.tools = example.tools;
  other.mark = RowMark::kRejected;
  example.mark = RowMark::kChosen;
  std::string reason = put_together(prompt, std::move(answers.chosen), "chosen", example);
  if (reason.empty()) reason = put_together(prompt, std::move(answers.rejected), "rejected", other);
  return reason;
}

std::string read_answer(const object& row, const char* key, std::vector<Message>& answer) {
  if (!is_text(row, key)) return read_turns_field(row, key, read_any_turn, answer);
  std::string text;
  std::string reason = read_text_field(row, key, text);
  if (reason.empty()) answer.push_back({"assistant", std::move(text), true});
  return reason;
}

// Plain text without a chat template.
std::string parse_texts(const object& row, Example& example) {
  std::string prompt, chosen, rejected;
  std::string reason = read_text_field(row, "prompt", prompt);
  if (reason.empty()) reason = read_text_field(row, "chosen", chosen);
  if (reason.empty()) reason = read_text_field(row, "rejected", rejected);
  if (!reason.empty()) return reason;
  if (chosen == rejected) return kSame;
  if (chosen.empty()) return "'chosen' is empty";
  if (rejected.empty()) return "'rejected' is empty";
  Example& other = example.rejected.emplace_back();
  other.kind = example.kind = Example::Kind::kText;
  other.mark = RowMark::kRejected;
  example.mark = RowMark::kChosen;
  other.spans = {{prompt, false}, {std::move(rejected), true}};
  example.spans = {{std::move(prompt), false}, {std::move(chosen), true}};
  return {};
}

// Both answers are whole conversations: what they begin with is the prompt, which the row may give
// once more.
std::string split_off_prompt(std::vector<Message>& prompt, Answers& answers) {
  const auto [chosen, rejected] = std::ranges::mismatch(answers.chosen, answers.rejected, is_same);
  if (chosen == answers.chosen.end() && rejected == answers.rejected.end()) return kSame;
  const std::vector<Message> shared(answers.chosen.begin(), chosen);
  if (shared.empty()) return "'chosen' and 'rejected' do not begin with the same messages";
  const auto is_shared = [&](const Message& one) {
    return std::ranges::any_of(shared, [&](const Message& other) { return is_same(one, other); });
  };
  if (!std::ranges::all_of(prompt, is_shared))
    return "the prompt is not among the messages that 'chosen' and 'rejected' begin with";
  prompt = shared;
  answers.chosen.erase(answers.chosen.begin(), chosen);
  answers.rejected.erase(answers.rejected.begin(), rejected);
  return {};
}

std::string parse(const object& row, Example& example) {
  if (is_text(row, "prompt") && is_text(row, "chosen")) return parse_texts(row, example);
  std::vector<Message> prompt;
  Answers answers;
  std::string reason = read_tools(row, example.tools);
  if (reason.empty()) reason = read_prompt(row, prompt);
  if (reason.empty()) reason = read_answer(row, "chosen", answers.chosen);
  if (reason.empty()) reason = read_answer(row, "rejected", answers.rejected);
  if (!reason.empty()) return reason;
  const bool is_whole = !answers.chosen.empty() && answers.chosen.front().role != "assistant";
  if (is_whole) reason = split_off_prompt(prompt, answers);
  if (reason.empty() && prompt.empty()) reason = "the row has no prompt";
  return reason.empty() ? make_pair(prompt, std::move(answers), example) : reason;
}

}  // namespace

Format preference_format() {
  return {"preference", "'chosen' and 'rejected'", matches, parse};
}

}  // namespace slmtune::data
