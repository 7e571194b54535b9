// Llama 3.0 and 3.1 to 3.3: header tokens, trimmed texts; from 3.1 on a system turn with two dates
// is always there.
#include "core/error.h"
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"
#include "data/tokenizer/unicode.h"

namespace slmtune::data {

std::string_view strip(std::string_view text) {
  // str.isspace() is White_Space and the four separators U+001C to U+001F.
  auto blank = [](uint32_t point) {
    return (point >= 0x1C && point <= 0x1F) || (code_point_classes()[point] & kSpace);
  };
  while (!text.empty()) {
    const CodePoint first = decode_utf8(text.data());
    if (!blank(first.value)) break;
    text.remove_prefix(first.bytes);
  }
  while (!text.empty()) {
    const size_t last = previous_character(text, text.size());
    if (!blank(decode_utf8(text.data() + last).value)) break;
    text = text.substr(0, last);
  }
  return text;
}

namespace {

constexpr const char* kBegin = "<|begin_of_text|>";
// 3.2 and 3.3 would print today's date; a fixed one keeps runs reproducible.
constexpr const char* kDates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";

std::string header(const std::string& role) {
  return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
}

void append_turn(std::vector<Span>& spans, const Message& message) {
  if (message.role == "tool")
    throw UserError(
        "D020", "", "the chat template takes no message of role 'tool'",
        "leave tool results out, or give them to the model as text of a user's message");
  spans.push_back({header(message.role), false});
  spans.push_back({std::string(strip(message.text)) + "<|eot_id|>", message.train});
}

std::vector<Span> render_llama3(std::span<const Message> messages, bool generation_prompt) {
  std::vector<Span> spans;
  if (!messages.empty()) spans.push_back({kBegin, false});
  for (const Message& message : messages) append_turn(spans, message);
  if (generation_prompt) spans.push_back({header("assistant"), false});
  return spans;
}

std::vector<Span> render_llama3_1(std::span<const Message> messages, bool generation_prompt) {
  std::string system = kDates;
  if (!messages.empty() && messages[0].role == "system") {
    system += strip(messages[0].text);
    messages = messages.subspan(1);
  }
  std::vector<Span> spans{{kBegin + header("system") + system + "<|eot_id|>", false}};
  for (const Message& message : messages) append_turn(spans, message);
  if (generation_prompt) spans.push_back({header("assistant"), false});
  return spans;
}

bool recognise_llama3(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  std::string_view emitted = facts.emitted;
  const bool begins = emitted.starts_with(kBegin);
  if (begins) emitted.remove_prefix(std::string_view(kBegin).size());
  return emitted ==
             "<|start_header_id|><|end_header_id|>\n\n<|eot_id|><|start_header_id|>assistant<|end_"
             "header_id|>\n\n" &&
         facts.uses("trim") && (begins || facts.uses("bos_token"));
}

bool recognise_llama3_1(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return facts.says("<|start_header_id|>") && facts.says("<|eot_id|>") && facts.uses("trim") &&
         facts.says("Cutting Knowledge Date: December 2023\n") && facts.says("Today Date: ") &&
         facts.says("26 Jul 2024") && !facts.says("<think>");
}

constexpr std::string_view kOllamaLlama3 =
    "{{ range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content "
    "}}<|eot_id|>{{ end }}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n";
constexpr std::string_view kOllamaLlama31 =
    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday "
    "Date: 26 Jul 2024\n\n"
    "{{ .System }}<|eot_id|>{{ range .Messages }}{{ if ne .Role \"system\" }}<|start_header_id|>{{ "
    ".Role }}"
    "<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}{{ end }}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n";

}  // namespace

ChatTemplate llama3_template() {
  return {"llama3", "<|eot_id|>", kOllamaLlama3, render_llama3, recognise_llama3};
}

ChatTemplate llama3_1_template() {
  return {"llama3.1", "<|eot_id|>", kOllamaLlama31, render_llama3_1, recognise_llama3_1};
}

}  // namespace slmtune::data
