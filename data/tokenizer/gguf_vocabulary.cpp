#include "data/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "data/tokenizer/sentencepiece_merges.h"
#include "data/tokenizer/tokenizer_file.h"

namespace slmtune::data {
namespace {

constexpr GgmlPre kPres[] = {
    {.name = "qwen2", .split = SplitRule::kQwen2, .nfc = true},
    {.name = "llama-bpe", .split = SplitRule::kCl100k, .ignore_merges = true, .adds_bos = true},
    {.name = "dbrx", .split = SplitRule::kCl100k},
    {.name = "gpt-4o", .split = SplitRule::kO200k},
    {.name = "tekken", .split = SplitRule::kTekken, .ignore_merges = true, .adds_bos = true},
    {.name = "gpt-2", .split = SplitRule::kGpt2},
    {.name = "deepseek-r1-qwen", .split = SplitRule::kQwen2},
    {.name = "megrez", .split = SplitRule::kQwen2},
    {.name = "llama3", .split = SplitRule::kCl100k, .ignore_merges = true, .adds_bos = true},
    {.name = "llama-v3", .split = SplitRule::kCl100k, .ignore_merges = true, .adds_bos = true},
    {.name = "smaug-bpe", .split = SplitRule::kCl100k},
    {.name = "phi-2", .split = SplitRule::kGpt2},
};

constexpr int64_t kNone = UINT32_MAX;  // how a file says that there is no such token

class GgufTokenizer : private TokenizerSource {
 public:
  explicit GgufTokenizer(const GgufVocabulary& stored)
      : TokenizerSource(stored.path), stored_(stored) {}
  TokenizerFile make();

 private:
  void check_lists() const;
  TokenType type_of(size_t id) const;
  bool is_named(size_t id) const;
  void make_byte_level();
  void make_sentencepiece();
  void place_tokens();
  void add_token(size_t id);
  void read_merges();
  void read_special_ids(bool adds_bos);
  std::optional<int32_t> special_id(std::optional<int64_t> stored, const char* name) const;

  const GgufVocabulary& stored_;
  std::vector<TokenType> types_;
  TokenizerFile file_;
};

void GgufTokenizer::check_lists() const {
  const size_t count = stored_.tokens.size();
  checked_id(static_cast<int64_t>(count), "the last token");
  for (size_t id = 0; id < count; ++id)
    if (!is_utf8(stored_.tokens[id])) malformed("token " + std::to_string(id) + " is not UTF-8");
  const auto check_length = [&](const char* key, size_t length) {
    if (length != 0 && length < count)
      inconsistent("'tokenizer.ggml." + std::string(key) + "' has " + std::to_string(length) +
                   " entries for " + std::to_string(count) + " tokens");
  };
  check_length("token_type", stored_.types.size());
  check_length("scores", stored_.scores.size());
}

bool GgufTokenizer::is_named(size_t id) const {
  const auto here = static_cast<int64_t>(id);
  const std::optional<int64_t> named[] = {stored_.bos, stored_.eos, stored_.eot, stored_.eom,
                                          stored_.pad};
  return std::find(std::begin(named), std::end(named), here) != std::end(named);
}

// Files without types are old or hand-made; then a token is what its text looks like.
TokenType GgufTokenizer::type_of(size_t id) const {
  if (!stored_.types.empty()) {
    const int32_t type = stored_.types[id];
    if (type < 1 || type > 6)
      inconsistent("'tokenizer.ggml.token_type' of token " + std::to_string(id) + " is " +
                   std::to_string(type) + "; expected 1 to 6");
    return static_cast<TokenType>(type);
  }
  const std::string& text = stored_.tokens[id];
  const bool sentencepiece = stored_.model == "llama";
  if (sentencepiece && static_cast<int64_t>(id) == stored_.unknown.value_or(0))
    return TokenType::kUnknown;
  if (sentencepiece && byte_of_piece(text) >= 0) return TokenType::kByte;
  if (is_named(id) || (text.starts_with("<|") && text.ends_with("|>"))) return TokenType::kControl;
  return TokenType::kNormal;
}

// llama.cpp finds all of these in text before it is split.
void GgufTokenizer::add_token(size_t id) {
  const std::string& text = stored_.tokens[id];
  const bool keeps_space = text == "<unk>" || text == "<s>" || text == "<|endoftext|>";
  file_.added.push_back({.id = static_cast<int32_t>(id),
                         .text = text,
                         .special = types_[id] != TokenType::kUserDefined,
                         .rstrip = stored_.strips_right && !keeps_space});
}

void GgufTokenizer::place_tokens() {
  std::vector<StoredPiece> vocabulary;
  for (size_t id = 0; id < stored_.tokens.size(); ++id) {
    types_.push_back(type_of(id));
    const std::string& text = stored_.tokens[id];
    // Rows of the embedding that no text has are called [PAD7] or nothing.
    if (text.empty() || types_[id] == TokenType::kUnused) continue;
    if (types_[id] == TokenType::kNormal || types_[id] == TokenType::kByte)
      vocabulary.push_back({text, static_cast<int64_t>(id)});
    else
      add_token(id);
  }
  place_alone(vocabulary, file_);
}

void GgufTokenizer::read_merges() {
  file_.merge_texts = stored_.merges;
  for (size_t rank = 0; rank < stored_.merges.size(); ++rank) {
    const std::string& text = stored_.merges[rank];
    const size_t space = text.find(' ');
    const auto find = [&](std::string_view piece) { return file_.pieces.find(piece); };
    if (space == std::string::npos)
      malformed("entry " + std::to_string(rank) + " of 'tokenizer.ggml.merges' is not two pieces");
    const std::string_view left = std::string_view(text).substr(0, space);
    const std::string_view right = std::string_view(text).substr(space + 1);
    const Merge merge{find(left), find(right), find(std::string(left) + std::string(right)),
                      static_cast<uint32_t>(rank)};
    if (merge.left < 0 || merge.right < 0 || merge.result < 0)
      inconsistent("entry " + std::to_string(rank) +
                   " of 'tokenizer.ggml.merges' names a token that is not in "
                   "'tokenizer.ggml.tokens'");
    file_.merges.push_back(merge);
  }
}

void GgufTokenizer::make_byte_level() {
  const GgmlPre* pre = find_ggml_pre(stored_.pre);
  if (pre == nullptr)
    unsupported("'tokenizer.ggml.pre' is '" + shown(stored_.pre) +
                "', which says how text is split");
  if (stored_.merges.empty()) inconsistent("'tokenizer.ggml.merges' is missing or empty");
  file_.kind = TokenizerKind::kByteLevel;
  file_.decoding.kind = DecodeRules::Kind::kByteLevel;
  file_.split = pre->split;
  file_.options.ignore_merges = pre->ignore_merges;
  file_.rules.nfc = pre->nfc;
  place_tokens();
  read_merges();
  read_special_ids(stored_.adds_bos.value_or(pre->adds_bos));
}

void GgufTokenizer::make_sentencepiece() {
  if (stored_.scores.empty()) inconsistent("'tokenizer.ggml.scores' is missing");
  file_.kind = TokenizerKind::kSentencePiece;
  file_.decoding.kind = DecodeRules::Kind::kFused;
  file_.decoding.byte_tokens = true;
  file_.rules.mark_spaces = true;
  if (stored_.adds_space.value_or(true)) {
    file_.rules.prefix = kSpaceMark;
    file_.decoding.strip = 1;
  }
  place_tokens();
  std::vector<SentencePieceModel::Piece> pieces;
  const auto size = static_cast<size_t>(file_.pieces.size());
  for (size_t id = 0; id < size; ++id) {
    const float score = stored_.scores[id];
    if (!std::isfinite(score))
      inconsistent("'tokenizer.ggml.scores' of token " + std::to_string(id) + " is no number");
    if (types_[id] == TokenType::kByte && byte_of_piece(stored_.tokens[id]) < 0)
      inconsistent("token " + std::to_string(id) + " is to stand for a byte but does not name one");
    if (types_[id] == TokenType::kUnknown && file_.options.unknown < 0)
      file_.options.unknown = static_cast<int32_t>(id);
    const bool is_normal = types_[id] == TokenType::kNormal && !stored_.tokens[id].empty();
    file_.is_in_model[id] = is_normal;
    pieces.push_back({stored_.tokens[id], score,
                      types_[id] == TokenType::kByte ? TokenType::kByte
                      : is_normal                    ? TokenType::kNormal
                                                     : TokenType::kControl});
  }
  file_.scores.assign(stored_.scores.begin(),
                      stored_.scores.begin() + static_cast<std::ptrdiff_t>(size));
  file_.types.assign(types_.begin(), types_.begin() + static_cast<std::ptrdiff_t>(size));
  file_.options.characters = file_.options.fuse_unknown = true;
  find_byte_tokens(pieces, file_.options);
  make_sentencepiece_merges(pieces, *this, file_);
  read_special_ids(stored_.adds_bos.value_or(true));
}

std::optional<int32_t> GgufTokenizer::special_id(std::optional<int64_t> stored,
                                                 const char* name) const {
  if (!stored || *stored == kNone) return std::nullopt;
  const auto count = static_cast<int64_t>(stored_.tokens.size());
  if (*stored < 0 || *stored >= count)
    inconsistent("'tokenizer.ggml." + std::string(name) + "_token_id' is " +
                 std::to_string(*stored) + " but there are " + std::to_string(count) + " tokens");
  const auto id = static_cast<int32_t>(*stored);
  return file_.pieces.contains(id) ? std::optional(id) : std::nullopt;
}

void GgufTokenizer::read_special_ids(bool adds_bos) {
  const bool sentencepiece = file_.kind == TokenizerKind::kSentencePiece;
  // llama.cpp's defaults for SentencePiece. For byte-level BPE it would take token 11 for both.
  const auto or_else = [&](std::optional<int64_t> stored, int64_t id) {
    const bool exists = id < static_cast<int64_t>(stored_.tokens.size());
    return stored || !sentencepiece || !exists ? stored : std::optional(id);
  };
  SpecialIds ids{special_id(or_else(stored_.bos, 1), "bos"),
                 special_id(or_else(stored_.eos, 2), "eos"),
                 special_id(stored_.pad, "padding"),
                 {},
                 adds_bos};
  for (const std::optional<int32_t> id :
       {ids.eos, special_id(stored_.eot, "eot"), special_id(stored_.eom, "eom")})
    if (id) ids.add_stop(*id);
  ids.add_end_of_turn([this](std::string_view text) {
    const int32_t id = file_.pieces.find(text);
    return id >= 0 ? std::optional(id) : std::nullopt;
  });
  file_.specials = std::move(ids);
}

TokenizerFile GgufTokenizer::make() {
  file_.path = path();
  check_lists();
  if (stored_.model == "gpt2")
    make_byte_level();
  else if (stored_.model == "llama")
    make_sentencepiece();
  else
    unsupported("'tokenizer.ggml.model' is '" + shown(stored_.model) + "'");
  return std::move(file_);
}

}  // namespace

std::span<const GgmlPre> ggml_pres() {
  return kPres;
}

const GgmlPre* find_ggml_pre(std::string_view name) {
  for (const GgmlPre& pre : kPres)
    if (pre.name == name) return &pre;
  return nullptr;
}

TokenizerFile read_gguf_vocabulary(const GgufVocabulary& stored) {
  return GgufTokenizer(stored).make();
}

}  // namespace slmtune::data
