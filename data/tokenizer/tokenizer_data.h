// The parts of a loaded tokenizer and the way of a text through them.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/safe_cuts.h"
#include "data/tokenizer/special_ids.h"
#include "data/tokenizer/tokenizer_file.h"

namespace slmtune::data {

struct Tokenizer::Data {
  Data(TokenizerFile&& read, std::filesystem::path path);

  // `starts` is empty when nobody asks for spans.
  void encode(std::string_view text, std::span<const SpanStart> starts, SpanEncoding& result) const;

  std::optional<int32_t> id_of(std::string_view piece) const;
  const AddedToken* added(int32_t id) const;                            // nullptr if none
  std::string text_of(int32_t id, std::string_view space = " ") const;  // Tokenizer::token_bytes
  int byte_of(int32_t id) const;  // of a byte token of SentencePiece, else -1
  std::string decode_run(std::string_view bytes) const;  // of byte tokens

  std::filesystem::path folder;
  TokenizerFile file;
  SpecialIds specials;
  bool adds_bos = false;

 private:
  struct Place;
  void add_patterns();
  void read_special_ids();
  void encode_part(std::string_view text, Place place, SpanEncoding& result) const;
  void encode_stretch(std::string_view text, Place place, SpanEncoding& result) const;
  void encode_plain(std::string_view text, Place place, SpanEncoding& result) const;

  Vocabulary bytes_;  // what BPE works on
  BytePairEncoder encoder_;
  Splitter splitter_;
  SafeCuts cuts_;
  AddedTokenMatcher raw_tokens_, normalised_tokens_;
  bool has_normalised_ = false;
  std::unordered_map<int32_t, size_t> added_index_;
};

}  // namespace slmtune::data
