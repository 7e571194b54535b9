// From an Example to ids and labels.
#include "core/error.h"
#include "data/chat/chat_template.h"

namespace slmtune::data {
namespace {

// Ids and labels of the spans as one text: a token trains when its first byte lies in a trained
// span.
Tokens tokenise_spans(std::span<const Span> spans, const Tokenizer& tokenizer) {
  std::vector<std::string_view> texts;
  texts.reserve(spans.size());
  for (const Span& span : spans) texts.push_back(span.text);
  Tokenizer::SpanEncoding encoding = tokenizer.encode_spans(texts);
  Tokens tokens{std::move(encoding.ids), {}};
  tokens.labels.reserve(tokens.ids.size());
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const bool train = spans[static_cast<size_t>(encoding.span_of[i])].train;
    tokens.labels.push_back(train ? tokens.ids[i] : kNotTrained);
  }
  return tokens;
}

// A turn must end in one token, or the model could never learn to stop.
void check_end_of_turn(const Tokenizer& tokenizer, const ChatTemplate& chat) {
  if (tokenizer.id_of(chat.end_of_turn)) return;
  throw FileFormatError("F042", tokenizer.folder().string(),
                        "chat template '" + std::string(chat.name) + "' ends a turn with '" +
                            std::string(chat.end_of_turn) + "', which the tokenizer does not have",
                        "choose the template of this model with model.template");
}

// Puts BOS in front of a plain text's `ids`; says whether it did.
bool add_bos(std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  const std::optional<int32_t> bos = tokenizer.bos();
  if (!tokenizer.adds_bos() || !bos || (!ids.empty() && ids.front() == *bos)) return false;
  ids.insert(ids.begin(), *bos);
  return true;
}

Tokens tokenise_text(std::span<const Span> spans, const Tokenizer& tokenizer) {
  Tokens tokens = tokenise_spans(spans, tokenizer);
  if (add_bos(tokens.ids, tokenizer)) tokens.labels.insert(tokens.labels.begin(), kNotTrained);
  if (!tokenizer.eos())
    throw FileFormatError("F042", tokenizer.folder().string(),
                          "the tokenizer names no eos token to end a text with",
                          "add 'eos_token' to tokenizer_config.json, as the model's source has it");
  tokens.ids.push_back(*tokenizer.eos());
  tokens.labels.push_back(*tokenizer.eos());
  return tokens;
}

}  // namespace

Tokens tokenise(const Example& example, const Tokenizer& tokenizer, const ChatTemplate* chat) {
  switch (example.kind) {
    case Example::Kind::kTokens:
      return {example.ids, example.labels};
    case Example::Kind::kText:
      return tokenise_text(example.spans, tokenizer);
    case Example::Kind::kChat:
      break;
  }
  if (!chat)
    throw FileFormatError(
        "F041", tokenizer.folder().string(), "the model has no chat template for rows of messages",
        "set model.template, or give the rows as 'text' or as 'prompt' and 'completion'");
  check_end_of_turn(tokenizer, *chat);
  return tokenise_spans(chat->render(example, false), tokenizer);
}

std::vector<Tokens> tokenise_rows(const Example& example, const Tokenizer& tokenizer,
                                  const ChatTemplate* chat) {
  std::vector<Tokens> rows = {tokenise(example, tokenizer, chat)};
  rows[0].mark = example.mark;
  for (const Example& rejected : example.rejected) {
    rows.push_back(tokenise(rejected, tokenizer, chat));
    rows.back().mark = rejected.mark;
    if (rows.back().ids == rows[0].ids)
      throw UserError("D004", "", "'chosen' and 'rejected' give the same tokens",
                      "a pair needs a better and a worse answer");
  }
  return rows;
}

std::vector<int32_t> prompt_ids(const Conversation& conversation, const Tokenizer& tokenizer,
                                const ChatTemplate& chat) {
  check_end_of_turn(tokenizer, chat);
  return tokenizer.encode(chat.render_text(conversation, true));
}

std::vector<int32_t> plain_ids(std::string_view text, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids = tokenizer.encode(text);
  add_bos(ids, tokenizer);
  return ids;
}

}  // namespace slmtune::data
