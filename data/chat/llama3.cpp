// Llama 3.0 and 3.1 to 3.3: header tokens, trimmed texts; from 3.1 on a system turn with two dates
// is always there, and tools stand in the first user turn.
//
// Llama 3.2 would print the day on which it is asked. A model trained on one day and asked on
// others must not learn a date, so both versions print 26 Jul 2024, which the template takes where
// it knows no clock (transformers: apply_chat_template(…, date_string="26 Jul 2024")).
#include "core/error.h"
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"
#include "data/python_json.h"
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
constexpr const char* kEnd = "<|eot_id|>";
constexpr const char* kDates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
constexpr const char* kEnvironment = "Environment: ipython\n";
constexpr const char* kToolsBegin =
    "Given the following functions, please respond with a JSON for a function call with its proper "
    "arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function "
    "name, \"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n";

std::string header(const std::string& role) {
  return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
}

void append_turn(std::vector<Span>& spans, const Message& message) {
  spans.push_back({header(message.role), false});
  spans.push_back({std::string(strip(message.text)) + kEnd, message.train});
}

std::vector<Span> render_llama3(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  if (!conversation.messages.empty()) spans.push_back({kBegin, false});
  for (const Message& message : conversation.messages) append_turn(spans, message);
  if (generation_prompt) spans.push_back({header("assistant"), false});
  return spans;
}

// The functions in front of the first question. Takes that message off `messages`.
void append_tools(std::vector<Span>& spans, std::span<const Message>& messages,
                  std::span<const std::string> tools) {
  if (messages.empty() || messages[0].role != "user")
    throw UserError("D023", "", "the chat template puts 'tools' into a first message of the user",
                    "begin the conversation with the user, or leave the tools out");
  std::string text = kToolsBegin;
  for (const std::string& tool : tools) text += python_json(parse_python_json(tool), 4) + "\n\n";
  spans.push_back({header("user") + text + std::string(strip(messages[0].text)) + kEnd, false});
  messages = messages.subspan(1);
}

void append_call(std::vector<Span>& spans, const Message& message) {
  if (message.tool_calls.size() != 1)
    throw UserError("D024", "", "the chat template takes one tool call in a message, not several",
                    "give each call and its result messages of their own");
  const ToolCall& call = message.tool_calls[0];
  spans.push_back({header("assistant"), false});
  spans.push_back(
      {R"({"name": ")" + call.name + R"(", "parameters": )" + call.arguments + "}" + kEnd,
       message.train});
}

std::vector<Span> render_llama3_1(const Conversation& conversation, bool generation_prompt) {
  std::span<const Message> messages = conversation.messages;
  const std::string system(strip(take_system(messages)));
  const char* environment = conversation.tools.empty() ? "" : kEnvironment;
  std::vector<Span> spans{
      {kBegin + header("system") + environment + kDates + system + kEnd, false}};
  if (!conversation.tools.empty()) append_tools(spans, messages, conversation.tools);
  for (const Message& message : messages) {
    if (!message.tool_calls.empty())
      append_call(spans, message);
    else if (message.role == "tool")
      spans.push_back({header("ipython") + python_json_text(message.text) + kEnd, false});
    else
      append_turn(spans, message);
  }
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

bool is_llama3_1(const JinjaFacts& facts) {
  for (const std::string& text :
       {header("system"), header("ipython"), std::string(kEnvironment), std::string(kToolsBegin),
        std::string("Cutting Knowledge Date: December 2023\nToday Date: "),
        std::string("26 Jul 2024"), std::string("{\"name\": \"\", \"parameters\": }")})
    if (!facts.prints(text)) return false;
  return facts.uses("trim") && facts.uses("bos_token") && !facts.says("<think>");
}

bool recognise_llama3_1(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return is_llama3_1(facts) && !facts.uses("strftime_now");
}

bool recognise_llama3_2(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return is_llama3_1(facts) && facts.uses("strftime_now");
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

constexpr ChatTemplate::Takes kTakes{.tool_results = true, .tools = true, .tool_calls = true};

}  // namespace

ChatTemplate llama3_template() {
  return {"llama3", kEnd, {}, kOllamaLlama3, render_llama3, recognise_llama3};
}

ChatTemplate llama3_1_template() {
  return {"llama3.1", kEnd, kTakes, kOllamaLlama31, render_llama3_1, recognise_llama3_1};
}

ChatTemplate llama3_2_template() {
  return {"llama3.2", kEnd, kTakes, kOllamaLlama31, render_llama3_1, recognise_llama3_2};
}

}  // namespace slmtune::data
