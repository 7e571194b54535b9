// Cuts text into pieces that byte-pair encoding from characters can work on one by one with the
// same tokens as on the whole: between two characters that stand side by side in no piece that a
// merge makes, since no merge can then cross the gap. SentencePiece has no other split; without the
// cuts every text would go through the heap and nothing could be cached.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/tokenizer/byte_pair_encoder.h"
#include "data/tokenizer/vocabulary.h"

namespace slmtune::data {

class SafeCuts {
 public:
  // Cuts nowhere, but before each '▁' when `before_space` (Metaspace with 'split').
  explicit SafeCuts(bool before_space) : before_space_(before_space) {}

  // Cuts wherever the merges allow it. Precondition: every symbol that takes part in a merge stands
  // for its own text (no byte tokens, no unknown token).
  SafeCuts(const Vocabulary& pieces, std::span<const Merge> merges, bool before_space);

  // End of the piece that begins at `at`. Preconditions: well-formed UTF-8, at < text.size().
  size_t end_of_piece(std::string_view text, size_t at) const;

 private:
  void join(std::string_view piece);
  bool is_joined(uint32_t left, uint32_t right) const;
  size_t bit_of(uint32_t left, uint32_t right) const;

  bool before_space_;
  bool everywhere_ = false;
  std::array<bool, 128 * 128> ascii_{};
  // Other pairs by hash. Two pairs that share a bit only cost a cut that could have been made.
  std::vector<uint64_t> bits_;
};

}  // namespace slmtune::data
