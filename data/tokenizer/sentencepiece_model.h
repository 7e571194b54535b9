// A SentencePiece model file as stored
// (https://github.com/google/sentencepiece, src/sentencepiece_model.proto).
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace slmtune::data {

struct SentencePieceModel {
  struct Piece {
    std::string_view text;
    float score = 0;
    TokenType type = TokenType::kNormal;
  };
  static constexpr int64_t kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4;

  std::vector<Piece> pieces;  // index = id

  int64_t model_type = kUnigram;
  bool byte_fallback = false, space_as_suffix = false;
  int64_t bos_id = 1, eos_id = 2, pad_id = -1;
  std::string_view unknown_surface = " \xE2\x81\x87 ";

  std::string_view normalizer_name;
  bool has_character_map = false;  // of the normalizer or the denormalizer
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;

  // Nothing when `bytes` are no such message. Texts point into `bytes`; they may be broken UTF-8.
  static std::optional<SentencePieceModel> parse(std::string_view bytes);
};

}  // namespace slmtune::data
