// Byte-pair encoding of one piece of text: the pair with the lowest rank merges first, the leftmost
// on a tie (https://github.com/huggingface/tokenizers, models/bpe;
// https://github.com/google/sentencepiece, bpe_model.cc). It starts from bytes (byte-level BPE) or
// from characters (SentencePiece). Short pieces by a scan over the ranks, long ones by a heap over
// a linked list, so that a long run of one letter costs n log n. Frequent pieces are answered from
// a cache per thread.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/vocabulary.h"

namespace slmtune::data {

struct Merge {
  int32_t left, right, result;
  uint32_t rank;
};

struct EncodedPiece {
  int32_t id;
  uint32_t begin;  // first byte within the piece
};

// Ids of the tokens for single bytes; -1: none.
using ByteTokens = std::array<int32_t, 256>;
constexpr ByteTokens no_byte_tokens() {
  ByteTokens none{};
  none.fill(-1);
  return none;
}

class BytePairEncoder {
 public:
  struct Options {
    // A piece that is in the vocabulary is one token, whatever the merges say.
    bool ignore_merges = false;
    int32_t unknown = -1;                       // for what has no token; -1: it is left out
    bool fuse_unknown = false;                  // neighbouring unknown ones are one token
    bool characters = false;                    // start from characters, not from bytes
    ByteTokens byte_tokens = no_byte_tokens();  // spell a character that has no token
    // Characters that merges name but that are no token themselves: index i has id
    // vocabulary.size() + i among the merges. What is left of them is spelt in bytes.
    std::vector<std::string> bare_characters;
  };

  // `vocabulary` must outlive this. Of merges with equal pairs the last one counts. Ranks are below
  // 2^32 - 1.
  BytePairEncoder(const Vocabulary& vocabulary, std::span<const Merge> merges, Options options);

  // Appends the tokens of `piece`. Thread-safe. Preconditions: 0 < size < 2^31; well-formed UTF-8
  // when it starts from characters.
  void encode(std::string_view piece, std::vector<EncodedPiece>& tokens) const;

 private:
  struct Rule {
    uint64_t pair = ~0ull;
    uint32_t rank = 0;
    int32_t result = 0;
  };
  const Rule* rule(int32_t left, int32_t right) const;
  void index_symbols();
  int32_t id_of_character(std::string_view text, size_t at) const;
  void merge_all(std::string_view piece, std::vector<EncodedPiece>& tokens) const;
  void start_from_bytes(std::string_view piece, std::vector<EncodedPiece>& tokens) const;
  void start_from_characters(std::string_view piece, std::vector<EncodedPiece>& tokens) const;
  bool spell(std::string_view character, size_t begin, std::vector<EncodedPiece>& tokens) const;
  void merge_short(std::vector<EncodedPiece>& tokens, size_t first) const;
  void merge_long(std::vector<EncodedPiece>& tokens, size_t first) const;
  void spell_bare(std::vector<EncodedPiece>& tokens, size_t first) const;

  const Vocabulary& vocabulary_;
  Options options_;
  std::vector<Rule> rules_;            // open addressing by pair
  std::array<int32_t, 256> byte_ids_;  // start from bytes
  std::vector<int32_t> low_ids_;       // start from characters: by code point below 2^16
  std::unordered_map<uint32_t, int32_t> high_ids_;  // the others
  uint64_t serial_;                                 // tells the caches of several encoders apart
};

}  // namespace slmtune::data
