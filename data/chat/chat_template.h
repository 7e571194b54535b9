// Chat templates, hand-written per family and equal to what transformers renders from the model folder's Jinja text.
// The registry (data/chat/registry.cpp) names them: chatml (tiny model), qwen2, qwen2.5, llama3, llama3.1.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/example.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::data {

class ChatTemplate {
 public:
  // A row of the registry: how messages become spans. `train` of a span: assistant text together with its end-of-turn
  // token, when that message trains.
  using Render = std::vector<Span> (*)(std::span<const Message> messages, bool generation_prompt);

  // R040 unknown name, with the list.
  static const ChatTemplate& by_name(std::string_view name);

  // From the folder's tokenizer_config.json / chat_template.jinja: recognised by the text's structure. F040 when it is
  // there but unknown (says how to choose one with model.template); F041 when the folder has none.
  static const ChatTemplate& detect(const std::filesystem::path& model_folder);

  static std::span<const ChatTemplate> all();

  // Errors: D020 a role the template does not take.
  std::vector<Span> render(std::span<const Message> messages, bool generation_prompt) const;
  std::string render_text(std::span<const Message> messages, bool generation_prompt) const;

  std::string_view name;
  std::string_view end_of_turn;  // "<|im_end|>", "<|eot_id|>"
  std::string_view ollama;       // Go template for a Modelfile
  Render render_spans;
  bool (*recognise)(std::string_view jinja);
};

// Verbatim Jinja text of a model folder ("" if none), for exports.
std::string chat_template_text(const std::filesystem::path& model_folder);

// Renders and tokenises; for kText the BOS rule of the tokenizer applies and eos is appended and trained.
Tokens tokenise(const Example& example, const Tokenizer& tokenizer, const ChatTemplate* chat);

// Ids of a conversation up to the generation prompt.
std::vector<int32_t> prompt_ids(std::span<const Message> messages, const Tokenizer& tokenizer, const ChatTemplate& chat);

}  // namespace slmtune::data
