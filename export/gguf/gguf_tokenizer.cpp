// The keys tokenizer.ggml.* of both kinds of tokenizers (formats.md §6.7).
#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "data/tokenizer/text_rules.h"
#include "data/tokenizer/tokenizer_file.h"
#include "export/gguf/gguf_metadata.h"
#include "export/gguf/phi3_name.h"

namespace slmtune::exporting {
namespace {

using data::TokenType;

// What llama.cpp's converter writes for rows that no token uses.
constexpr float kPadScore = -10000.0f;
constexpr std::string_view kPhi3Tokens[] = {"<unk>", "<s>", "</s>", "<|endoftext|>"};

// Added tokens written like a mark are control tokens even where the tokenizer does not call them
// special; llama.cpp's own converter does the same, and else they would be printed in answers.
bool looks_special(const std::string& text) {
  return (text.starts_with("<|") && text.ends_with("|>")) || text == "<pad>" || text == "<mask>" ||
         (text.starts_with("<unused") && text.ends_with(">"));
}

struct TokenList {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  std::vector<float> scores;  // SentencePiece only
};

class TokenLister {
 public:
  explicit TokenLister(const data::Tokenizer& tokenizer)
      : tokenizer_(tokenizer),
        is_sentencepiece_(tokenizer.kind() == data::TokenizerKind::kSentencePiece) {
    for (const data::AddedToken& token : tokenizer.added_tokens()) added_[token.id] = &token;
  }

  TokenList list(int64_t rows) {
    TokenList list;
    for (int32_t id = 0; id < rows; ++id) add(id, list);
    return list;
  }

 private:
  void add(int32_t id, TokenList& list) {
    std::string text = tokenizer_.pieces_name(id);
    const bool is_pad = text.empty();
    const TokenType type = is_pad ? TokenType::kUnused : type_of(id, text);
    if (is_pad) text = "[PAD" + std::to_string(id) + "]";
    if (type == TokenType::kUserDefined && stands_in_marked_text(id)) text = with_blanks(text);
    // llama.cpp aborts the process on a second token of the same text.
    if (!seen_.insert(text).second)
      throw FileFormatError("F094", tokenizer_.folder().string(),
                            "token " + std::to_string(id) + " has the same text as another token",
                            "GGUF needs a different text for every token");
    list.texts.push_back(std::move(text));
    list.types.push_back(static_cast<int32_t>(type));
    if (is_sentencepiece_) list.scores.push_back(is_pad ? kPadScore : tokenizer_.score(id));
  }

  TokenType type_of(int32_t id, const std::string& text) const {
    const TokenType type = is_sentencepiece_ ? tokenizer_.type(id) : TokenType::kNormal;
    const auto token = added_.find(id);
    if (token == added_.end() || type == TokenType::kUnknown) return type;
    const bool is_control = token->second->special || looks_special(text);
    return is_control ? TokenType::kControl : TokenType::kUserDefined;
  }

  // Looked for where blanks are written as '▁' already, or made of them by merges. llama.cpp looks
  // for such tokens before it writes them so.
  bool stands_in_marked_text(int32_t id) const {
    const auto token = added_.find(id);
    return is_sentencepiece_ && token != added_.end() &&
           (token->second->normalized || tokenizer_.score(id) > data::kNeverMerged);
  }

  static std::string with_blanks(std::string text) {
    for (size_t at; (at = text.find(data::kSpaceMark)) != std::string::npos;)
      text.replace(at, data::kSpaceMark.size(), " ");
    return text;
  }

  const data::Tokenizer& tokenizer_;
  bool is_sentencepiece_;
  std::map<int32_t, const data::AddedToken*> added_;
  std::set<std::string> seen_;
};

// A merge is "a b". A space inside a part is written as the byte alphabet's Ġ, so that the first
// space splits it.
std::string gguf_merge(const data::Tokenizer& tokenizer, const std::string& merge) {
  const std::string letter = "\u0120";
  for (size_t at = merge.find(' '); at != std::string::npos; at = merge.find(' ', at + 1)) {
    std::string left = merge.substr(0, at), right = merge.substr(at + 1);
    if (left.find(' ') == std::string::npos && right.find(' ') == std::string::npos) return merge;
    if (!tokenizer.id_of(left) || !tokenizer.id_of(right)) continue;
    for (std::string* part : {&left, &right})
      for (size_t space; (space = part->find(' ')) != std::string::npos;)
        part->replace(space, 1, letter);
    return left + " " + right;
  }
  throw FileFormatError("F094", tokenizer.folder().string(),
                        "a merge rule of the tokenizer is not two tokens",
                        "GGUF needs merges of two tokens each");
}

// The token that ends a turn, by the model's own chat template.
std::optional<int32_t> end_of_turn(const std::string& chat_template,
                                   const data::Tokenizer& tokenizer) {
  if (chat_template.empty()) return std::nullopt;
  for (const data::ChatTemplate& known : data::ChatTemplate::all())
    if (known.recognise(chat_template)) return tokenizer.id_of(known.end_of_turn);
  return std::nullopt;
}

int32_t end_token(const data::Tokenizer& tokenizer) {
  if (tokenizer.eos()) return *tokenizer.eos();
  if (!tokenizer.stop_ids().empty()) return tokenizer.stop_ids().front();
  throw FileFormatError("F094", tokenizer.folder().string(), "the tokenizer names no end token",
                        "set eos_token in tokenizer_config.json or eos_token_id in config.json");
}

void check_tokenizer(const ModelParts& parts, const data::Tokenizer& tokenizer, int64_t rows) {
  if (rows < tokenizer.size())
    throw FileFormatError("F094", parts.folder.string(),
                          "the embedding has " + std::to_string(rows) +
                              " rows but the tokenizer has ids up to " +
                              std::to_string(tokenizer.size() - 1),
                          "use the tokenizer that belongs to these weights");
  if (const std::string what = tokenizer.ggml_obstacle(); !what.empty())
    throw FileFormatError("F094", tokenizer.file().string(), what,
                          "export a Hugging Face folder instead");
}

void add_special_ids(GgufMetadata& out, const data::Tokenizer& tokenizer,
                     const std::vector<int32_t>& types, const std::string& chat_template) {
  const auto add = [&](const char* name, std::optional<int32_t> id) {
    if (id)
      out.emplace_back("tokenizer.ggml." + std::string(name) + "_token_id",
                       static_cast<uint32_t>(*id));
  };
  const int32_t eos = end_token(tokenizer);
  // Always written: without them llama.cpp takes token 11 for both, or 1 and 2.
  add("bos", tokenizer.bos().value_or(tokenizer.pad().value_or(eos)));
  add("eos", eos);
  add("eot", end_of_turn(chat_template, tokenizer));
  add("eom", tokenizer.id_of("<|eom_id|>"));
  add("padding", tokenizer.pad());
  const auto unknown =
      std::find(types.begin(), types.end(), static_cast<int32_t>(TokenType::kUnknown));
  if (unknown != types.end()) add("unknown", static_cast<int32_t>(unknown - types.begin()));
}

void add_merges(GgufMetadata& out, const data::Tokenizer& tokenizer) {
  std::vector<std::string> merges;
  for (const std::string& merge : tokenizer.merges())
    merges.push_back(gguf_merge(tokenizer, merge));
  out.emplace_back("tokenizer.ggml.merges", std::move(merges));
}

bool has_phi3_marks(const data::Tokenizer& tokenizer) {
  for (const std::string_view text : kPhi3Tokens)
    if (!tokenizer.id_of(text)) return false;
  const auto& added = tokenizer.added_tokens();
  return std::any_of(added.begin(), added.end(), [](const auto& token) { return token.rstrip; });
}

}  // namespace

std::string gguf_name_for(const std::string& name, const data::Tokenizer& tokenizer) {
  if (has_phi3_marks(tokenizer)) return find_phi3(name) ? name : "Phi-3 " + name;
  // There llama.cpp would take blanks away, or not load for want of Phi-3's tokens.
  std::string changed = name;
  while (const NamedPart phi3 = find_phi3(changed))
    changed.replace(phi3.start + 3, phi3.size - 3, " 3");
  return changed;
}

GgufMetadata tokenizer_metadata(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                int64_t rows) {
  check_tokenizer(parts, tokenizer, rows);
  const bool is_sentencepiece = tokenizer.kind() == data::TokenizerKind::kSentencePiece;
  const std::string chat_template = data::chat_template_text(parts.folder);
  TokenList tokens = TokenLister(tokenizer).list(rows);
  GgufMetadata out{
      {"general.name", gguf_name_for(parts.name, tokenizer)},
      {"tokenizer.ggml.model", std::string(is_sentencepiece ? "llama" : "gpt2")},
      {"tokenizer.ggml.pre", is_sentencepiece ? std::string("default") : tokenizer.ggml_pre()},
      {"tokenizer.ggml.tokens", std::move(tokens.texts)},
      {"tokenizer.ggml.token_type", tokens.types}};
  if (is_sentencepiece) {
    out.emplace_back("tokenizer.ggml.scores", std::move(tokens.scores));
    out.emplace_back("tokenizer.ggml.add_space_prefix",
                     tokenizer.ggml_adds_space(!chat_template.empty()));
  } else {
    add_merges(out, tokenizer);
  }
  add_special_ids(out, tokenizer, tokens.types, chat_template);
  out.emplace_back("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  if (!chat_template.empty()) out.emplace_back("tokenizer.chat_template", chat_template);
  return out;
}

}  // namespace slmtune::exporting
