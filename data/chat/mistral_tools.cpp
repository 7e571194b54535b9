// Mistral v3: tools, calls and results with tokens of their own. 7B v0.3 and Small 22B (2409) print
// a blank behind a mark and trim answers; the Tekken vocabulary (Nemo) knows neither.
#include "core/error.h"
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"
#include "data/chat/mistral.h"
#include "data/python_json.h"

namespace slmtune::data {
namespace {

struct Variant {
  std::string_view name;
  const char* gap;  // behind a mark and in front of an answer
  bool trims;       // answers
};

constexpr Variant kV3{"mistral-v3", " ", true}, kTekken{"mistral-v3-tekken", "", false};

// Calls and results stand outside of the turns of user and assistant.
void check_order(std::span<const Message> messages, const Variant& variant) {
  bool users_turn = true;
  for (const Message& message : messages) {
    if (message.role == "tool" || !message.tool_calls.empty()) continue;
    if (message.role == "system" || (message.role == "user") != users_turn)
      refuse_order(variant.name);
    users_turn = !users_turn;
  }
}

// Texts on the first level are put between quotes as they are: so does the template.
std::string tool_text(const std::string& tool) {
  const OrderedJson function = parse_python_json(tool)["function"];
  std::string text = R"({"type": "function", "function": {)";
  bool first = true;
  for (const auto& [key, value] : function.items()) {
    if (key == "return") continue;
    if (!first) text += ", ";
    first = false;
    text += '"' + key + "\": ";
    text += value.is_string() ? '"' + value.get<std::string>() + '"' : python_json(value);
  }
  return text + "}}";
}

std::string tools_text(std::span<const std::string> tools, const Variant& variant) {
  std::string text = std::string("[AVAILABLE_TOOLS]") + variant.gap + "[";
  for (size_t i = 0; i < tools.size(); ++i) text += (i == 0 ? "" : ", ") + tool_text(tools[i]);
  return text + "][/AVAILABLE_TOOLS]";
}

void check_id(const std::string& id, const char* what, const Variant& variant) {
  size_t characters = 0;
  for (const char c : id) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  if (characters == 9) return;
  throw UserError("D024", "",
                  "the chat template '" + std::string(variant.name) + "' needs " + what +
                      " of nine letters or digits",
                  "give call and result the same id, for example 'a1b2c3d4e'");
}

std::string calls_text(const Message& message, const Variant& variant) {
  std::string text = std::string("[TOOL_CALLS]") + variant.gap + "[";
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    const ToolCall& call = message.tool_calls[i];
    check_id(call.id, "calls with an 'id'", variant);
    if (i > 0) text += ", ";
    text.append(call.function, 0, call.function.size() - 1);
    text.append(", \"id\": \"").append(call.id).append("\"}");
  }
  return text + "]" + kMistralEnd;
}

std::string result_text(const Message& message, const Variant& variant) {
  check_id(message.tool_call_id, "tool results with a 'tool_call_id'", variant);
  return std::string("[TOOL_RESULTS]") + variant.gap + "{\"content\": " + message.text +
         ", \"call_id\": \"" + message.tool_call_id + "\"}[/TOOL_RESULTS]";
}

// The text of the last user's message, before which the tools are named: like the template, the
// same text asked earlier counts too.
const std::string* last_question(std::span<const Message> messages) {
  for (size_t i = messages.size(); i > 0; --i)
    if (messages[i - 1].role == "user") return &messages[i - 1].text;
  return nullptr;
}

std::vector<Span> render(const Conversation& conversation, const Variant& variant) {
  std::span<const Message> messages = conversation.messages;
  const bool has_system = !messages.empty() && messages[0].role == "system";
  const std::string_view system = take_system(messages);
  check_order(messages, variant);
  const std::string* question = last_question(messages);
  std::vector<Span> spans{{kMistralBegin, false}};
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == "user") {
      std::string text = conversation.tools.empty() || message.text != *question
                             ? std::string()
                             : tools_text(conversation.tools, variant);
      text += std::string("[INST]") + variant.gap;
      if (has_system && i + 1 == messages.size()) text += std::string(system) + "\n\n";
      spans.push_back({text + message.text + "[/INST]", false});
    } else if (!message.tool_calls.empty()) {
      spans.push_back({calls_text(message, variant), message.train});
    } else if (message.role == "tool") {
      spans.push_back({result_text(message, variant), false});
    } else {
      const std::string_view text = variant.trims ? strip(message.text) : message.text;
      spans.push_back({variant.gap + std::string(text) + kMistralEnd, message.train});
    }
  }
  return spans;
}

std::vector<Span> render_v3(const Conversation& conversation, bool) {
  return render(conversation, kV3);
}

std::vector<Span> render_tekken(const Conversation& conversation, bool) {
  return render(conversation, kTekken);
}

// 'first' is the word of variants that put the system text elsewhere.
bool recognise(std::string_view jinja, const Variant& variant) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  const std::string gap = variant.gap;
  for (const std::string& text :
       {"[AVAILABLE_TOOLS]" + gap + "[{\"type\": \"function\", \"function\": {",
        std::string("[/AVAILABLE_TOOLS]"), "[INST]" + gap + "\n\n[/INST][INST]" + gap + "[/INST]",
        "[TOOL_CALLS]" + gap + "[",
        "[TOOL_RESULTS]" + gap + "{\"content\": ", std::string("\"}[/TOOL_RESULTS]")})
    if (!facts.prints(text)) return false;
  return facts.uses("trim") == variant.trims && facts.uses("bos_token") &&
         facts.uses("eos_token") && facts.uses("last") && !facts.uses("first") &&
         !facts.says("[SYSTEM_PROMPT]");
}

bool recognise_v3(std::string_view jinja) {
  return recognise(jinja, kV3);
}

bool recognise_tekken(std::string_view jinja) {
  return recognise(jinja, kTekken);
}

constexpr std::string_view kOllamaV3 =
    "{{ $last := -1 }}{{ range $i, $one := .Messages }}{{ if eq $one.Role \"user\" }}"
    "{{ $last = $i }}{{ end }}{{ end }}"
    "{{ range $i, $one := .Messages }}{{ if eq $one.Role \"user\" }}[INST] "
    "{{ if and $.System (eq $i $last) }}{{ $.System }}\n\n{{ end }}{{ $one.Content }}[/INST]"
    "{{ else if eq $one.Role \"assistant\" }} {{ $one.Content }}</s>{{ end }}{{ end }}";
constexpr std::string_view kOllamaTekken =
    "{{ $last := -1 }}{{ range $i, $one := .Messages }}{{ if eq $one.Role \"user\" }}"
    "{{ $last = $i }}{{ end }}{{ end }}"
    "{{ range $i, $one := .Messages }}{{ if eq $one.Role \"user\" }}[INST]"
    "{{ if and $.System (eq $i $last) }}{{ $.System }}\n\n{{ end }}{{ $one.Content }}[/INST]"
    "{{ else if eq $one.Role \"assistant\" }}{{ $one.Content }}</s>{{ end }}{{ end }}";

constexpr ChatTemplate::Takes kTakes{
    .tool_results = true, .tools = true, .tool_calls = true, .system_only_at_end = true};

}  // namespace

ChatTemplate mistral_v3_template() {
  return {kV3.name, kMistralEnd, kTakes, kOllamaV3, render_v3, recognise_v3};
}

ChatTemplate mistral_v3_tekken_template() {
  return {kTekken.name, kMistralEnd, kTakes, kOllamaTekken, render_tekken, recognise_tekken};
}

}  // namespace slmtune::data
