// The templates that registry.cpp lists; one source file per family. And what those files share.
#pragma once
#include "data/chat/chat_template.h"

namespace slmtune::data {

ChatTemplate chatml_template();
ChatTemplate qwen2_template();
ChatTemplate qwen2_5_template();
ChatTemplate qwen2_5_base_template();
ChatTemplate llama3_template();
ChatTemplate llama3_1_template();
ChatTemplate llama3_2_template();
ChatTemplate gemma2_template();
ChatTemplate mistral_v0_1_template();
ChatTemplate mistral_v0_2_template();
ChatTemplate mistral_v1_template();
ChatTemplate mistral_v3_template();
ChatTemplate mistral_v3_tekken_template();
ChatTemplate mistral_v7_template();
ChatTemplate phi3_template();
ChatTemplate phi3_5_template();
ChatTemplate phi4_template();
ChatTemplate phi4_mini_template();

// Appends "<|im_start|>role\ntext<|im_end|>\n", the turn of every ChatML family.
void append_chatml_turn(std::vector<Span>& spans, const Message& message);

// Go template of Ollama for ChatML without a default system text.
inline constexpr std::string_view kOllamaChatml =
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end "
    "}}<|im_start|>assistant\n";

// Python's str.strip(), which Jinja's trim filter is.
std::string_view strip(std::string_view text);

// The leading system message's text; takes it off `messages`. "" when there is none.
std::string_view take_system(std::span<const Message>& messages);

// Checks shared by templates that want user and assistant in turn. D023.
[[noreturn]] void refuse_order(std::string_view chat_template);

// What a template cannot print of `conversation`: D020, D022. Templates themselves check the rest.
void check_takes(const ChatTemplate& chat, const Conversation& conversation);

}  // namespace slmtune::data
