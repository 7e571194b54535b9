// Byte-pair encoding of one piece of text: the pair with the lowest rank merges first, the leftmost
// on a tie (https://github.com/huggingface/tokenizers, models/bpe). Short pieces by a scan over the
// ranks, long ones by a heap over a linked list, so that a long run of one letter costs n log n.
// Frequent pieces are answered from a cache per thread.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/tokenizer/vocabulary.h"

namespace slmtune::data {

struct Merge {
  int32_t left, right, result;
};

struct EncodedPiece {
  int32_t id;
  uint32_t begin;  // first byte within the piece
};

class BytePairEncoder {
 public:
  struct Options {
    bool ignore_merges =
        false;  // a piece that is in the vocabulary is one token, whatever the merges say
    int32_t unknown = -1;       // for bytes without a token; -1: they are left out
    bool fuse_unknown = false;  // neighbouring unknown bytes are one token
  };

  // `vocabulary` must outlive this. `merges` in priority order; of equal pairs the last one counts.
  BytePairEncoder(const Vocabulary& vocabulary, std::span<const Merge> merges, Options options);

  // Appends the tokens of `piece`. Thread-safe. Precondition: 0 < size < 2^31.
  void encode(std::string_view piece, std::vector<EncodedPiece>& tokens) const;

 private:
  struct Rule {
    uint64_t pair = ~0ull;
    uint32_t rank = 0;
    int32_t result = 0;
  };
  struct Symbols;
  const Rule* rule(int32_t left, int32_t right) const;
  void merge_all(std::string_view piece, std::vector<EncodedPiece>& tokens) const;
  void merge_short(std::vector<EncodedPiece>& tokens, size_t first) const;
  void merge_long(std::vector<EncodedPiece>& tokens, size_t first) const;

  const Vocabulary& vocabulary_;
  Options options_;
  std::vector<Rule> rules_;  // open addressing by pair
  int32_t byte_ids_[256];
  uint64_t serial_;  // tells the caches of several encoders apart
};

}  // namespace slmtune::data
