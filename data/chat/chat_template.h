// Chat templates, hand-written per family and equal to what transformers renders from the model
// folder's Jinja text. The registry (data/chat/registry.cpp) names them: chatml (tiny model),
// qwen2, qwen2.5, llama3 to llama3.2, gemma2, mistral-v0.1 to mistral-v7, phi3 to phi4-mini.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/example.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::data {

// What a template prints: the messages and the functions that the assistant may call. Borrows both.
struct Conversation {
  std::span<const Message> messages;
  std::span<const std::string> tools = {};

  Conversation(std::span<const Message> all, std::span<const std::string> functions = {})
      : messages(all), tools(functions) {}
  Conversation(std::span<Message> all) : messages(all) {}
  Conversation(const std::vector<Message>& all) : messages(all) {}
  Conversation(const Example& example) : messages(example.messages), tools(example.tools) {}
};

class ChatTemplate {
 public:
  // How a conversation becomes spans. `train` of a span: what the assistant itself writes, its
  // end-of-turn token included, when that message trains.
  using Render = std::vector<Span> (*)(const Conversation& conversation, bool generation_prompt);

  // What the template can print. Anything else is an error and never lost in silence.
  struct Takes {
    bool system = true;
    bool tool_results = false;  // messages of role tool
    bool tools = false;         // a list of functions
    bool system_tools = false;  // the same as a field of the system message
    bool tool_calls = false;    // calls of the assistant
    // A system text stands in the last user turn only, so that a row that ends with the assistant
    // shows the model no system text (Mistral v3).
    bool system_only_at_end = false;
  };

  // R040 unknown name, with the list.
  static const ChatTemplate& by_name(std::string_view name);

  // From the folder's tokenizer_config.json / chat_template.jinja: recognised by the text's
  // structure. F040 when it is there but unknown (says how to choose one with model.template); F041
  // when the folder has none.
  static const ChatTemplate& detect(const std::filesystem::path& model_folder);
  // The same for a Jinja text that stands in another file, which `where` names.
  static const ChatTemplate& detect(const std::string& jinja, const std::string& where);

  static std::span<const ChatTemplate> all();

  // Errors: D020 a role the template does not take, D022 tools or calls it does not take, D023 an
  // order of roles it does not take, D024 a call it cannot print.
  std::vector<Span> render(const Conversation& conversation, bool generation_prompt) const;
  std::string render_text(const Conversation& conversation, bool generation_prompt) const;

  std::string_view name;
  std::string_view end_of_turn;  // "<|im_end|>", "<|eot_id|>"
  Takes takes;
  std::string_view ollama;  // Go template for a Modelfile
  Render render_spans;
  bool (*recognise)(std::string_view jinja);
};

// Verbatim Jinja text of a model folder ("" if none), for exports.
std::string chat_template_text(const std::filesystem::path& model_folder);

// Renders and tokenises; for kText the BOS rule of the tokenizer applies and eos is appended and
// trained. A conversation gets no BOS but the one that its template writes.
Tokens tokenise(const Example& example, const Tokenizer& tokenizer, const ChatTemplate* chat);

// All rows of an example: one, or for a preference the better and the worse answer (D004 when
// both give the same tokens).
std::vector<Tokens> tokenise_rows(const Example& example, const Tokenizer& tokenizer,
                                  const ChatTemplate* chat);

// Ids of a conversation up to the generation prompt.
std::vector<int32_t> prompt_ids(const Conversation& conversation, const Tokenizer& tokenizer,
                                const ChatTemplate& chat);

// Ids of a plain text as training begins one: with BOS in front where the tokenizer adds it and the
// text does not begin with it.
std::vector<int32_t> plain_ids(std::string_view text, const Tokenizer& tokenizer);

}  // namespace slmtune::data
