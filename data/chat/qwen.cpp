// Qwen2 and Qwen2.5: ChatML that puts a default system text in front; Qwen2.5 lists tools behind it
// and shows their results as a user's turn.
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"

namespace slmtune::data {
namespace {

constexpr const char* kQwen2System = "You are a helpful assistant.";
constexpr const char* kQwen25System =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

constexpr const char* kToolsBegin =
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are "
    "provided with function signatures within <tools></tools> XML tags:\n<tools>";
constexpr const char* kToolsEnd =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, "
    "\"arguments\": <args-json-object>}\n</tool_call>";

void append_generation_prompt(std::vector<Span>& spans, bool wanted) {
  if (wanted) spans.push_back({"<|im_start|>assistant\n", false});
}

std::vector<Span> render_qwen2(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  if (conversation.messages.empty() || conversation.messages[0].role != "system")
    append_chatml_turn(spans, {"system", kQwen2System, false});
  for (const Message& message : conversation.messages) append_chatml_turn(spans, message);
  append_generation_prompt(spans, generation_prompt);
  return spans;
}

void append_system(std::vector<Span>& spans, std::span<const Message>& messages,
                   std::span<const std::string> tools, const char* standard) {
  const bool own = !messages.empty() && messages[0].role == "system";
  const std::string_view given = take_system(messages);
  std::string text(own ? given : standard);
  if (!tools.empty()) {
    text += kToolsBegin;
    for (const std::string& tool : tools) text += "\n" + tool;
    text += kToolsEnd;
  }
  append_chatml_turn(spans, {"system", std::move(text), false});
}

// The call's text stands where an answer's would, so a prompt is the same for both.
void append_calls(std::vector<Span>& spans, const Message& message) {
  std::string text = message.text;
  for (const ToolCall& call : message.tool_calls)
    text += std::string(text.empty() ? "" : "\n") + "<tool_call>\n{\"name\": \"" + call.name +
            "\", \"arguments\": " + call.arguments + "}\n</tool_call>";
  append_chatml_turn(spans, {"assistant", std::move(text), message.train});
}

// Neighbouring tool results share one user turn.
void append_result(std::vector<Span>& spans, std::span<const Message> messages, size_t i) {
  if (i == 0 || messages[i - 1].role != "tool") spans.push_back({"<|im_start|>user", false});
  spans.push_back({"\n<tool_response>\n" + messages[i].text + "\n</tool_response>", false});
  if (i + 1 == messages.size() || messages[i + 1].role != "tool")
    spans.push_back({"<|im_end|>\n", false});
}

std::vector<Span> render_with_tools(const Conversation& conversation, bool generation_prompt,
                                    const char* system) {
  std::vector<Span> spans;
  std::span<const Message> messages = conversation.messages;
  append_system(spans, messages, conversation.tools, system);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == "tool")
      append_result(spans, messages, i);
    else if (!messages[i].tool_calls.empty())
      append_calls(spans, messages[i]);
    else
      append_chatml_turn(spans, messages[i]);
  }
  append_generation_prompt(spans, generation_prompt);
  return spans;
}

std::vector<Span> render_qwen2_5(const Conversation& conversation, bool generation_prompt) {
  return render_with_tools(conversation, generation_prompt, kQwen25System);
}

std::vector<Span> render_qwen2_5_base(const Conversation& conversation, bool generation_prompt) {
  return render_with_tools(conversation, generation_prompt, kQwen2System);
}

bool recognise_qwen2(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return facts.emitted == std::string("<|im_start|>system\n") + kQwen2System +
                              "<|im_end|>\n<|im_start|>\n<|im_end|>\n<|im_start|>assistant\n" &&
         !facts.uses("trim") && !facts.uses("last");
}

// ChatML with tool turns and nothing of the thinking models that came after it.
bool has_tool_turns(const JinjaFacts& facts) {
  for (const std::string& text :
       {std::string(kToolsBegin), kToolsEnd + std::string("<|im_end|>\n"),
        std::string("<tool_call>\n{\"name\": \"\", \"arguments\": }\n</tool_call>"),
        std::string("<|im_start|>user\n<tool_response>\n\n</tool_response><|im_end|>\n"),
        std::string("<|im_start|>\n<|im_end|>\n")})
    if (!facts.prints(text)) return false;
  return !facts.says("<|im_sep|>") && !facts.says("<think>") && !facts.uses("trim") &&
         !facts.uses("reasoning_content") && !facts.uses("enable_thinking") && !facts.uses("strip");
}

bool recognise_qwen2_5(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return has_tool_turns(facts) && facts.says(kQwen25System);
}

bool recognise_qwen2_5_base(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return has_tool_turns(facts) && facts.says(kQwen2System) && !facts.says("You are Qwen");
}

constexpr std::string_view kOllamaQwen2 =
    "{{ if not .System }}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{{ end }}"
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end "
    "}}<|im_start|>assistant\n";
constexpr std::string_view kOllamaQwen25 =
    "{{ if not .System }}<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a "
    "helpful assistant."
    "<|im_end|>\n{{ end }}"
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end "
    "}}<|im_start|>assistant\n";

constexpr ChatTemplate::Takes kTakes{.tool_results = true, .tools = true, .tool_calls = true};

}  // namespace

ChatTemplate qwen2_template() {
  return {"qwen2",      "<|im_end|>", {.tool_results = true},
          kOllamaQwen2, render_qwen2, recognise_qwen2};
}

ChatTemplate qwen2_5_template() {
  return {"qwen2.5", "<|im_end|>", kTakes, kOllamaQwen25, render_qwen2_5, recognise_qwen2_5};
}

ChatTemplate qwen2_5_base_template() {
  return {"qwen2.5-base", "<|im_end|>",        kTakes,
          kOllamaQwen2,   render_qwen2_5_base, recognise_qwen2_5_base};
}

}  // namespace slmtune::data
