// ChatML without a default system text: "<|im_start|>role\ntext<|im_end|>\n".
#include <algorithm>

#include "data/chat/families.h"
#include "data/chat/jinja_facts.h"

namespace slmtune::data {

void append_chatml_turn(std::vector<Span>& spans, const Message& message) {
  spans.push_back({"<|im_start|>" + message.role + "\n", false});
  spans.push_back({message.text + "<|im_end|>", message.train});
  spans.push_back({"\n", false});
}

namespace {

std::vector<Span> render(const Conversation& conversation, bool generation_prompt) {
  std::vector<Span> spans;
  for (const Message& message : conversation.messages) append_chatml_turn(spans, message);
  if (generation_prompt) spans.push_back({"<|im_start|>assistant\n", false});
  return spans;
}

// The loop over roles, or a branch per role; nothing else may be printed, and no filter used.
bool recognise(std::string_view jinja) {
  const JinjaFacts facts = JinjaFacts::read(jinja);
  const bool skeleton = facts.emitted == "<|im_start|>\n<|im_end|>\n<|im_start|>assistant\n" ||
                        facts.emitted ==
                            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n<|im_end|>\n<|im_"
                            "start|>assistant\n<|im_end|>\n"
                            "<|im_start|>assistant\n";
  constexpr const char* kStrange[] = {"trim", "strip", "replace", "split",
                                      "last", "upper", "lower",   "title"};
  return skeleton && std::none_of(std::begin(kStrange), std::end(kStrange),
                                  [&](const char* word) { return facts.uses(word); });
}

}  // namespace

ChatTemplate chatml_template() {
  return {"chatml", "<|im_end|>", {.tool_results = true}, kOllamaChatml, render, recognise};
}

}  // namespace slmtune::data
