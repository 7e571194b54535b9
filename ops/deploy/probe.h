// Does a server read prompts as training did? Short neutral chats (none of the user's rows), each
// with the token ids that training's own rendering and tokeniser give. A wrong template or a
// tokeniser that splits otherwise is the commonest reason why a fine-tuned model talks nonsense in
// a server, and this finds it before anybody is served.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/tokenizer.h"

namespace slmtune::ops {

inline constexpr int kProbeChats = 100;

struct ProbePrompt {
  std::vector<data::Message> messages;  // empty for a model without a chat template
  std::string text;                     // of such a model
  std::vector<int32_t> ids;
};

struct Probe {
  std::vector<ProbePrompt> prompts;
  bool is_chat = false;
};

// `chat` null: plain texts.
Probe make_probe(const data::Tokenizer& tokenizer, const data::ChatTemplate* chat,
                 int count = kProbeChats);

// [{"role": "user", "content": "..."}], as the servers take them.
Json messages_json(const std::vector<data::Message>& messages);

struct ProbeResult {
  int64_t prompts = 0, equal = 0;
  bool by_count = false;   // the server tells how many tokens, not which
  bool was_asked = false;  // false: the target has no server to ask
};

// V002 when not all prompts are equal, or the server told of none what it made of it; `where` names
// the server.
void check_probe(const ProbeResult& result, const std::string& where);

}  // namespace slmtune::ops
