// The tokenizer of a model folder as read and checked, before the encoder is built from it.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/byte_pair_encoder.h"
#include "data/tokenizer/decode_rules.h"
#include "data/tokenizer/gguf_vocabulary.h"
#include "data/tokenizer/special_ids.h"
#include "data/tokenizer/splitter.h"
#include "data/tokenizer/text_rules.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/vocabulary.h"

namespace slmtune::data {

struct TokenizerFile {
  std::filesystem::path path;  // tokenizer.json, tokenizer.model, tekken.json or a GGUF file
  TokenizerKind kind = TokenizerKind::kByteLevel;
  Vocabulary pieces{0};           // as stored (byte alphabet or '▁'), and the added tokens' texts
  std::vector<bool> is_in_model;  // by id: a piece that BPE may produce
  std::vector<AddedToken> added;  // ordered by id
  bool added_as_stored = false;   // 'normalized' tokens already stand as in normalised text
  std::vector<std::string> merge_texts;
  std::vector<Merge> merges;
  BytePairEncoder::Options options;
  SplitRule split = SplitRule::kWhole;  // byte level
  TextRules rules;
  bool cuts_before_space = false;  // Metaspace with 'split'
  DecodeRules decoding;
  std::vector<float> scores;     // by id; SentencePiece only
  std::vector<TokenType> types;  // by id; SentencePiece only
  std::string begin_token;       // goes in front of plain text; "" if none
  std::string bos, eos, pad;     // that the file itself names; "" if none
  // Of a file that says all of them itself; else the folder's configs are asked.
  std::optional<SpecialIds> specials;

  // tokenizer.json if there is one, else tokenizer.model, else tekken.json. Errors: N001, F030,
  // F031, F032 (see Tokenizer::load). Tokens that only tokenizer_config.json lists are added.
  static TokenizerFile read(const std::filesystem::path& folder);
};

struct StoredPiece {
  std::string_view text;
  int64_t id;
};

// What the readers share. Errors name `path`.
class TokenizerSource {
 public:
  explicit TokenizerSource(const std::filesystem::path& path)
      : path_(path), where_(path.string()) {}
  const std::filesystem::path& path() const { return path_; }

  [[noreturn]] void malformed(const std::string& what) const;     // F030
  [[noreturn]] void unsupported(const std::string& what) const;   // F031
  [[noreturn]] void inconsistent(const std::string& what) const;  // F032
  int32_t checked_id(int64_t id, const char* what) const;         // F032

  // Puts vocabulary and `file.added` into one table by id; `place` with what only the folder's
  // tokenizer_config.json lists.
  void place(const std::vector<StoredPiece>& vocabulary, TokenizerFile& file) const;
  void place_alone(const std::vector<StoredPiece>& vocabulary, TokenizerFile& file) const;

 private:
  void add_tokens_of_config(TokenizerFile& file) const;
  void place_added(TokenizerFile& file) const;

  std::filesystem::path path_;
  std::string where_;
};

// Precondition: the file exists.
TokenizerFile read_tokenizer_json(const std::filesystem::path& path);
TokenizerFile read_sentencepiece_model(const std::filesystem::path& path);
TokenizerFile read_tekken_json(const std::filesystem::path& path);
TokenizerFile read_gguf_vocabulary(const GgufVocabulary& stored);

// Score of a piece that no merge makes.
inline constexpr float kNeverMerged = -1e9f;

// The byte that "<0x0A>" stands for, or -1.
int byte_of_piece(std::string_view piece);

}  // namespace slmtune::data
