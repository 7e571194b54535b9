// The templates that registry.cpp lists; one source file per family.
#pragma once
#include "data/chat/chat_template.h"

namespace slmtune::data {

ChatTemplate chatml_template();
ChatTemplate qwen2_template();
ChatTemplate qwen2_5_template();
ChatTemplate qwen2_5_base_template();
ChatTemplate llama3_template();
ChatTemplate llama3_1_template();

// Appends "<|im_start|>role\ntext<|im_end|>\n", the turn of every ChatML family.
void append_chatml_turn(std::vector<Span>& spans, const Message& message);

// Go template of Ollama for ChatML without a default system text.
inline constexpr std::string_view kOllamaChatml =
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end "
    "}}<|im_start|>assistant\n";

// Python's str.strip(), which Jinja's trim filter is.
std::string_view strip(std::string_view text);

}  // namespace slmtune::data
