// Byte-level BPE from a Hugging Face tokenizer.json, ids identical to the `tokenizers` package.
//
//   Tokenizer tokenizer = Tokenizer::load("models/Qwen2.5-0.5B-Instruct");
//   std::vector<int32_t> ids = tokenizer.encode("Hello <|im_end|>");   // added tokens in the text are recognised; no BOS added
//
// Order of the pipeline: added tokens, NFC (when the file asks for it), split by the file's regex, BPE
// (https://github.com/huggingface/tokenizers, tokenizer/mod.rs). An unknown regex or model type is an error, not a guess.
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

struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool special = false, normalized = false, single_word = false, lstrip = false, rstrip = false;
};

class Tokenizer {
 public:
  // `folder` holds tokenizer.json (N001) and, for the special ids, tokenizer_config.json, generation_config.json and
  // config.json when present. F030 malformed, F031 unsupported part (named), F032 inconsistent vocabulary.
  static Tokenizer load(const std::filesystem::path& folder);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Invalid UTF-8 is replaced by U+FFFD. Thread-safe.
  std::vector<int32_t> encode(std::string_view text) const;

  // Encodes the concatenation of `spans` as one text and returns for each token the index of the span in which its
  // first byte lies (after normalisation, which is done per span).
  struct SpanEncoding { std::vector<int32_t> ids; std::vector<int32_t> span_of; };
  SpanEncoding encode_spans(std::span<const std::string_view> spans) const;

  // Ids outside the vocabulary give nothing. Incomplete UTF-8 at the end is replaced by U+FFFD.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;

  // Bytes that one token stands for (special tokens: their text).
  std::string token_bytes(int32_t id) const;

  int32_t size() const;                                        // highest id + 1
  std::optional<int32_t> id_of(std::string_view piece) const;  // vocabulary piece (byte alphabet) or added token text
  bool is_special(int32_t id) const;

  std::optional<int32_t> bos() const;   // from tokenizer_config.json, else config.json
  std::optional<int32_t> eos() const;
  std::optional<int32_t> pad() const;
  bool adds_bos() const;                // the post-processor puts BOS in front of plain text
  const std::vector<int32_t>& stop_ids() const;  // every id that ends a generation (eos lists of the configs, eot tokens)

  // What an export needs.
  std::string pieces_name(int32_t id) const;  // stored piece in the byte alphabet, or added token's raw text; "" if none
  const std::vector<AddedToken>& added_tokens() const;
  const std::vector<std::string>& merges() const;  // "a b" in priority order
  std::string ggml_pre() const;                    // llama.cpp's name of the split: "qwen2", "llama-bpe"
  const std::filesystem::path& folder() const;

 private:
  struct Data;
  explicit Tokenizer(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

// Decodes a stream of ids piece by piece and never hands out half a character.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string push(int32_t id);  // text that became complete
  std::string finish();          // what is left, invalid bytes as U+FFFD

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string pending_;
};

}  // namespace slmtune::data
