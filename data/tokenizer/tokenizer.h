// Byte-level BPE and SentencePiece BPE from a model folder, ids identical to the packages
// `tokenizers` (tokenizer.json), `sentencepiece` (tokenizer.model) and `tiktoken` (tekken.json).
//
//   Tokenizer tokenizer = Tokenizer::load("models/Qwen2.5-0.5B-Instruct");
//   std::vector<int32_t> ids = tokenizer.encode("Hello <|im_end|>");   // added tokens in the text
//   are recognised; no BOS added
//
// Order of the pipeline: added tokens, normalizer (NFC, '▁' for blanks), split by the file's regex
// or where no merge can cross, BPE (https://github.com/huggingface/tokenizers, tokenizer/mod.rs).
// What is unknown is an error, not a guess.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slmtune::data {

struct GgufVocabulary;  // data/tokenizer/gguf_vocabulary.h

struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool special = false, normalized = false, single_word = false, lstrip = false, rstrip = false;
};

// The files of a model folder that say how its text becomes ids, by name; a folder has some of
// them.
std::span<const std::string_view> tokenizer_file_names();

enum class TokenizerKind { kByteLevel, kSentencePiece };

// Kinds of pieces, with the numbers that SentencePiece and GGUF give them.
enum class TokenType : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

class Tokenizer {
 public:
  // `folder` holds tokenizer.json, else tokenizer.model, else tekken.json (N001) and, for the
  // special ids, tokenizer_config.json, generation_config.json and config.json when present. F030
  // malformed, F031 unsupported part (named), F032 inconsistent vocabulary.
  static Tokenizer load(const std::filesystem::path& folder);

  // The tokenizer inside a GGUF file; folder() and file() are that file. F030, F031, F032 as above,
  // with the keys of the file.
  static Tokenizer from_gguf(const GgufVocabulary& stored);

  // The file that load() would read, or nothing.
  static std::optional<std::filesystem::path> find_file(const std::filesystem::path& folder);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Invalid UTF-8 is replaced by U+FFFD. Thread-safe.
  std::vector<int32_t> encode(std::string_view text) const;

  // Encodes the concatenation of `spans` as one text and returns for each token the index of the
  // span in which its first byte lies (after normalisation, which is done per span).
  struct SpanEncoding {
    std::vector<int32_t> ids;
    std::vector<int32_t> span_of;
  };
  SpanEncoding encode_spans(std::span<const std::string_view> spans) const;

  // Ids outside the vocabulary give nothing. Incomplete UTF-8 is replaced by U+FFFD. A
  // SentencePiece tokenizer that puts a blank in front of text takes it off again.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;

  // Bytes that one token stands for inside text (special tokens: their text).
  std::string token_bytes(int32_t id) const;

  int32_t size() const;  // highest id + 1
  std::optional<int32_t> id_of(
      std::string_view piece) const;  // vocabulary piece (byte alphabet) or added token text
  bool is_special(int32_t id) const;

  std::optional<int32_t> bos() const;  // from tokenizer_config.json, else config.json
  std::optional<int32_t> eos() const;
  std::optional<int32_t> pad() const;
  bool adds_bos() const;  // BOS goes in front of plain text
  const std::vector<int32_t>& stop_ids()
      const;  // every id that ends a generation (eos lists of the configs, eot tokens)

  // What an export needs.
  TokenizerKind kind() const;
  std::string pieces_name(int32_t id)
      const;  // stored piece (byte alphabet, or with '▁'), or added token's raw text; "" if none
  const std::vector<AddedToken>& added_tokens() const;
  const std::vector<std::string>& merges()
      const;  // "a b" in priority order; tokenizer.model has none
  std::string ggml_pre()
      const;  // llama.cpp's name of the split: "qwen2", "llama-bpe"; "" if it has none for this
  // What llama.cpp cannot do as this tokenizer does, so that its ids would differ; "" if nothing.
  std::string ggml_obstacle() const;
  // Whether llama.cpp is to put a blank in front of every stretch of text between special tokens.
  // Some tokenizers do so at the very start of a text only, which llama.cpp does not know: chats
  // start with a special token, so there the answer is never, and for plain text always.
  bool ggml_adds_space(bool in_chats) const;
  const std::filesystem::path& folder() const;
  const std::filesystem::path& file() const;  // that the vocabulary was read from

  // SentencePiece only. The scores of tokenizer.json are minus the number of the first merge that
  // makes the piece.
  float score(int32_t id) const;
  TokenType type(int32_t id) const;
  bool prefixes_space() const;  // text begins as if a blank stood in front of it

 private:
  friend class StreamDecoder;
  struct Data;
  explicit Tokenizer(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

// Decodes a stream of ids piece by piece and never hands out half a character; all pieces together
// are what Tokenizer::decode gives. A run of byte tokens comes out when it ends.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string push(int32_t id);  // text that became complete
  std::string finish();          // what is left, invalid bytes as U+FFFD

 private:
  std::string end_of_bytes();
  std::string without_lead(std::string text, bool is_piece);

  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string pending_;  // bytes of a character, or of a run of byte tokens, that may go on
  uint32_t lead_;        // blanks that may still be taken off in front
};

}  // namespace slmtune::data
