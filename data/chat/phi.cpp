// Phi-3 and 3.5 ("<|user|>\ntext<|end|>\n"), Phi-4 (ChatML with <|im_sep|> and no newlines) and
// Phi-4-mini ("<|user|>text<|end|>"). The minis end a text that no answer follows with
// <|endoftext|>, which is not trained: the answer ended with <|end|>.
#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"
#include "data/python_json.h"

namespace slmtune::data {
namespace {

constexpr const char* kEndOfText = "<|endoftext|>";

std::vector<Span> render_phi3(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  for (const Message& message : conversation.messages) {
    spans.push_back({"<|" + message.role + "|>\n", false});
    spans.push_back({message.text + "<|end|>", message.train});
    spans.push_back({"\n", false});
  }
  spans.push_back({generation_prompt ? "<|assistant|>\n" : kEndOfText, false});
  return spans;
}

// An empty system text is left out.
std::vector<Span> render_phi3_5(const Conversation& conversation, bool generation_prompt) {
  std::vector<Message> messages;
  for (const Message& message : conversation.messages)
    if (message.role != "system" || !message.text.empty()) messages.push_back(message);
  return render_phi3(messages, generation_prompt);
}

std::vector<Span> render_phi4(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  for (const Message& message : conversation.messages) {
    spans.push_back({"<|im_start|>" + message.role + "<|im_sep|>", false});
    spans.push_back({message.text + "<|im_end|>", message.train});
  }
  if (generation_prompt) spans.push_back({"<|im_start|>assistant<|im_sep|>", false});
  return spans;
}

// The functions as a list, as the model card shows them: without OpenAI's wrapping.
std::string function_list(std::span<const std::string> tools) {
  OrderedJson list = OrderedJson::array();
  for (const std::string& tool : tools) list.push_back(parse_python_json(tool)["function"]);
  return python_json(list);
}

// The template itself reads functions from the system message; a row's 'tools' go there too.
std::vector<Span> render_phi4_mini(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  std::string tools = conversation.tools.empty() ? "" : function_list(conversation.tools);
  if (!tools.empty() &&
      (conversation.messages.empty() || conversation.messages[0].role != "system"))
    spans.push_back({"<|system|><|tool|>" + std::exchange(tools, "") + "<|/tool|><|end|>", false});
  for (const Message& message : conversation.messages) {
    spans.push_back({"<|" + message.role + "|>", false});
    std::string text = message.text;
    const std::string own = message.tools.empty() && message.role == "system"
                                ? std::exchange(tools, "")
                                : message.tools;
    if (!own.empty()) text += "<|tool|>" + own + "<|/tool|>";
    spans.push_back({text + "<|end|>", message.train});
  }
  spans.push_back({generation_prompt ? "<|assistant|>" : kEndOfText, false});
  return spans;
}

// No filter may change the texts.
bool plain(const JinjaFacts& facts) {
  for (const char* word : {"trim", "strip", "replace", "split", "upper", "lower", "title", "last"})
    if (facts.uses(word)) return false;
  return true;
}

bool is_phi3(const JinjaFacts& facts) {
  return facts.emitted ==
             "<|system|>\n<|end|>\n<|user|>\n<|end|>\n<|assistant|>\n<|end|>\n<|assistant|>\n" &&
         facts.uses("eos_token") && !facts.uses("bos_token") && plain(facts);
}

// What tells the two apart: `if message['role'] == 'system' and message['content']`.
bool recognise_phi3(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return is_phi3(facts) && !facts.uses("and");
}

bool recognise_phi3_5(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return is_phi3(facts) && facts.uses("and");
}

// A branch per role, or one line for all.
bool recognise_phi4(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  const std::string prompt = "<|im_start|>assistant<|im_sep|>";
  const bool skeleton = facts.emitted == "<|im_start|><|im_sep|><|im_end|>" + prompt ||
                        facts.emitted ==
                            "<|im_start|>system<|im_sep|><|im_end|><|im_start|>user<|im_sep|><|im_"
                            "end|>" +
                                prompt + "<|im_end|>" + prompt;
  return skeleton && plain(facts) && facts.uses("add_generation_prompt");
}

bool recognise_phi4_mini(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  return facts.emitted == "<||><|tool|><|/tool|><|end|><||><|end|><|assistant|>" &&
         facts.uses("eos_token") && plain(facts);
}

constexpr std::string_view kOllamaPhi3 =
    "{{ range .Messages }}{{ if eq .Role \"system\" }}<|system|>\n{{ .Content }}<|end|>\n"
    "{{ else if eq .Role \"user\" }}<|user|>\n{{ .Content }}<|end|>\n"
    "{{ else if eq .Role \"assistant\" }}<|assistant|>\n{{ .Content }}<|end|>\n"
    "{{ end }}{{ end }}<|assistant|>\n";
constexpr std::string_view kOllamaPhi4 =
    "{{ range .Messages }}<|im_start|>{{ .Role }}<|im_sep|>{{ .Content }}<|im_end|>{{ end }}"
    "<|im_start|>assistant<|im_sep|>";
constexpr std::string_view kOllamaPhi4Mini =
    "{{ range .Messages }}{{ if eq .Role \"system\" }}<|system|>{{ .Content }}<|end|>"
    "{{ else if eq .Role \"user\" }}<|user|>{{ .Content }}<|end|>"
    "{{ else if eq .Role \"assistant\" }}<|assistant|>{{ .Content }}<|end|>"
    "{{ end }}{{ end }}<|assistant|>";

}  // namespace

ChatTemplate phi3_template() {
  return {"phi3", "<|end|>", {}, kOllamaPhi3, render_phi3, recognise_phi3};
}

ChatTemplate phi3_5_template() {
  return {"phi3.5", "<|end|>", {}, kOllamaPhi3, render_phi3_5, recognise_phi3_5};
}

ChatTemplate phi4_template() {
  return {"phi4", "<|im_end|>", {}, kOllamaPhi4, render_phi4, recognise_phi4};
}

ChatTemplate phi4_mini_template() {
  return {"phi4-mini",
          "<|end|>",
          {.tool_results = true, .tools = true, .system_tools = true},
          kOllamaPhi4Mini,
          render_phi4_mini,
          recognise_phi4_mini};
}

}  // namespace slmtune::data
