#include "export/gguf/gguf_metadata.h"

#include <map>
#include <set>

#include "core/error.h"
#include "data/chat/chat_template.h"
#include "models/families/family.h"

namespace slmtune::exporting {
namespace {

// GGUF's numbers of token types.
enum TokenType : int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

uint32_t u32(int64_t value) {
  SLMTUNE_ASSERT(value >= 0 && value <= UINT32_MAX, "count does not fit 32 bits");
  return static_cast<uint32_t>(value);
}

// Added tokens written like a mark are control tokens even where the tokenizer does not call them
// special; llama.cpp's own converter does the same, and else they would be printed in answers.
bool looks_special(const std::string& text) {
  return (text.starts_with("<|") && text.ends_with("|>")) || text == "<pad>" || text == "<mask>" ||
         (text.starts_with("<unused") && text.ends_with(">"));
}

struct TokenList {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
};

TokenList token_list(const data::Tokenizer& tokenizer, int64_t rows) {
  std::map<int32_t, const data::AddedToken*> added;
  for (const data::AddedToken& token : tokenizer.added_tokens()) added[token.id] = &token;
  TokenList list;
  std::set<std::string> seen;
  for (int32_t id = 0; id < rows; ++id) {
    std::string text = tokenizer.pieces_name(id);
    int32_t type = kNormal;
    auto token = added.find(id);
    if (text.empty()) {
      text = "[PAD" + std::to_string(id) + "]";
      type = kUnused;
    } else if (token != added.end()) {
      type = token->second->special || looks_special(text) ? kControl : kUserDefined;
    }
    // llama.cpp aborts the process on a second token of the same text.
    if (!seen.insert(text).second)
      throw FileFormatError("F094", tokenizer.folder().string(),
                            "token " + std::to_string(id) + " has the same text as another token",
                            "GGUF needs a different text for every token");
    list.texts.push_back(std::move(text));
    list.types.push_back(type);
  }
  return list;
}

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

void add_rope(GgufMetadata& out, const std::string& prefix, const models::ModelConfig& config) {
  out.emplace_back(prefix + "rope.freq_base", static_cast<float>(config.rope_theta));
  if (config.rope.type == "linear") {
    out.emplace_back(prefix + "rope.scaling.type", std::string("linear"));
    out.emplace_back(prefix + "rope.scaling.factor", static_cast<float>(config.rope.factor));
  } else if (config.rope.type != "default" && config.rope.type != "llama3") {
    throw FileFormatError("F094", "config.json",
                          "rope scaling '" + config.rope.type + "' cannot be written to GGUF",
                          "export a Hugging Face folder instead");
  }
}

}  // namespace

GgufMetadata model_metadata(const ModelParts& parts, const models::GgufFacts& facts,
                            const Encoding& encoding, int64_t rows) {
  const models::ModelConfig& config = parts.config;
  const std::string architecture(facts.architecture), prefix = architecture + ".";
  GgufMetadata out{
      {"general.architecture", architecture},
      {"general.type", std::string("model")},
      {"general.name", parts.name},
      {"general.file_type", encoding.file_type},
      {"general.quantization_version", uint32_t{2}},
      {prefix + "context_length", u32(config.max_positions)},
      {prefix + "embedding_length", u32(config.hidden_size)},
      {prefix + "block_count", u32(config.layers)},
      {prefix + "feed_forward_length", u32(config.intermediate_size)},
      {prefix + "attention.head_count", u32(config.heads)},
      {prefix + "attention.head_count_kv", u32(config.kv_heads)},
      {prefix + "attention.layer_norm_rms_epsilon", static_cast<float>(config.rms_norm_eps)}};
  const bool named_head_dim =
      config.json.contains("head_dim") && !config.json.at("head_dim").is_null();
  if (named_head_dim || config.head_dim * config.heads != config.hidden_size) {
    out.emplace_back(prefix + "attention.key_length", u32(config.head_dim));
    out.emplace_back(prefix + "attention.value_length", u32(config.head_dim));
  }
  add_rope(out, prefix, config);
  if (facts.writes_rope_dimension) {
    out.emplace_back(prefix + "rope.dimension_count", u32(config.head_dim));
    out.emplace_back(prefix + "vocab_size", u32(rows));
  }
  return out;
}

GgufMetadata tokenizer_metadata(const ModelParts& parts, const data::Tokenizer& tokenizer,
                                int64_t rows) {
  if (rows < tokenizer.size())
    throw FileFormatError("F094", parts.folder.string(),
                          "the embedding has " + std::to_string(rows) +
                              " rows but the tokenizer has ids up to " +
                              std::to_string(tokenizer.size() - 1),
                          "use the tokenizer that belongs to these weights");
  if (tokenizer.ggml_pre().empty())
    throw FileFormatError("F094", tokenizer.file().string(),
                          tokenizer.kind() == data::TokenizerKind::kSentencePiece
                              ? "a SentencePiece tokenizer cannot be written to GGUF"
                              : "llama.cpp has no name for the tokenizer's split",
                          "export a Hugging Face folder instead");
  TokenList tokens = token_list(tokenizer, rows);
  std::vector<std::string> merges;
  for (const std::string& merge : tokenizer.merges())
    merges.push_back(gguf_merge(tokenizer, merge));
  const int32_t eos = end_token(tokenizer);
  GgufMetadata out{{"tokenizer.ggml.model", std::string("gpt2")},
                   {"tokenizer.ggml.pre", tokenizer.ggml_pre()},
                   {"tokenizer.ggml.tokens", std::move(tokens.texts)},
                   {"tokenizer.ggml.token_type", std::move(tokens.types)},
                   {"tokenizer.ggml.merges", std::move(merges)}};
  // Always written: without them llama.cpp takes token 11 for both.
  out.emplace_back("tokenizer.ggml.bos_token_id",
                   u32(tokenizer.bos().value_or(tokenizer.pad().value_or(eos))));
  out.emplace_back("tokenizer.ggml.eos_token_id", u32(eos));
  const std::string chat_template = data::chat_template_text(parts.folder);
  if (auto eot = end_of_turn(chat_template, tokenizer))
    out.emplace_back("tokenizer.ggml.eot_token_id", u32(*eot));
  if (auto pad = tokenizer.pad()) out.emplace_back("tokenizer.ggml.padding_token_id", u32(*pad));
  out.emplace_back("tokenizer.ggml.add_bos_token", tokenizer.adds_bos());
  if (!chat_template.empty()) out.emplace_back("tokenizer.chat_template", chat_template);
  return out;
}

}  // namespace slmtune::exporting
