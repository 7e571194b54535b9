// Qwen2 and Qwen2.5: ChatML that puts a default system text in front; Qwen2.5 shows tool results as
// a user's turn.
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"

namespace slmtune::data {
namespace {

constexpr const char* kQwen2System = "You are a helpful assistant.";
constexpr const char* kQwen25System =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

void append_default_system(std::vector<Span>& spans, std::span<const Message> messages,
                           const char* text) {
  if (messages.empty() || messages[0].role != "system")
    append_chatml_turn(spans, {"system", text, false});
}

void append_generation_prompt(std::vector<Span>& spans, bool wanted) {
  if (wanted) spans.push_back({"<|im_start|>assistant\n", false});
}

std::vector<Span> render_qwen2(std::span<const Message> messages, bool generation_prompt) {
  std::vector<Span> spans;
  append_default_system(spans, messages, kQwen2System);
  for (const Message& message : messages) append_chatml_turn(spans, message);
  append_generation_prompt(spans, generation_prompt);
  return spans;
}

// Neighbouring tool results share one user turn.
std::vector<Span> render_with_tools(std::span<const Message> messages, bool generation_prompt,
                                    const char* system) {
  std::vector<Span> spans;
  append_default_system(spans, messages, system);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "tool") {
      append_chatml_turn(spans, messages[i]);
      continue;
    }
    if (i == 0 || messages[i - 1].role != "tool") spans.push_back({"<|im_start|>user", false});
    spans.push_back({"\n<tool_response>\n" + messages[i].text + "\n</tool_response>", false});
    if (i + 1 == messages.size() || messages[i + 1].role != "tool")
      spans.push_back({"<|im_end|>\n", false});
  }
  append_generation_prompt(spans, generation_prompt);
  return spans;
}

std::vector<Span> render_qwen2_5(std::span<const Message> messages, bool generation_prompt) {
  return render_with_tools(messages, generation_prompt, kQwen25System);
}

std::vector<Span> render_qwen2_5_base(std::span<const Message> messages, bool generation_prompt) {
  return render_with_tools(messages, generation_prompt, kQwen2System);
}

bool recognise_qwen2(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return facts.emitted == std::string("<|im_start|>system\n") + kQwen2System +
                              "<|im_end|>\n<|im_start|>\n<|im_end|>\n<|im_start|>assistant\n" &&
         !facts.uses("trim") && !facts.uses("last");
}

// ChatML with tool turns and nothing of the thinking models that came after it.
bool has_tool_turns(const JinjaFacts& facts) {
  return facts.says("<|im_start|>") && facts.says("<|im_end|>\n") &&
         facts.says("<tool_response>") && !facts.says("<|im_sep|>") && !facts.says("<think>") &&
         !facts.uses("trim") && !facts.uses("reasoning_content") &&
         !facts.uses("enable_thinking") && !facts.uses("strip");
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

}  // namespace

ChatTemplate qwen2_template() {
  return {"qwen2", "<|im_end|>", kOllamaQwen2, render_qwen2, recognise_qwen2};
}

ChatTemplate qwen2_5_template() {
  return {"qwen2.5", "<|im_end|>", kOllamaQwen25, render_qwen2_5, recognise_qwen2_5};
}

ChatTemplate qwen2_5_base_template() {
  return {"qwen2.5-base", "<|im_end|>", kOllamaQwen2, render_qwen2_5_base, recognise_qwen2_5_base};
}

}  // namespace slmtune::data
