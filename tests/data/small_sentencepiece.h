// A SentencePiece model small enough to read, as the bytes of its protobuf.
#pragma once
#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "tests/support/temp_folder.h"

namespace slmtune::testing {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

inline std::string field(uint32_t number, uint64_t value) {
  return varint(number << 3) + varint(value);
}

inline std::string field(uint32_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

inline std::string field(uint32_t number, float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  std::string bytes = varint(number << 3 | 5);
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift));
  return bytes;
}

// Ids: <unk> 0, <s> 1, </s> 2, <0x00>.. 3.., then the normal pieces from 259 on.
struct SmallSentencePiece {
  struct Piece {
    std::string text;
    float score;
    data::TokenType type = data::TokenType::kNormal;
  };
  std::vector<Piece> pieces;
  std::string trainer = field(3, uint64_t{2}) + field(35, uint64_t{1});
  std::string normalizer = field(1, std::string("identity")) + field(4, uint64_t{0});
  std::string more;

  SmallSentencePiece() {
    using data::TokenType;
    pieces = {{"<unk>", 0, TokenType::kUnknown},
              {"<s>", 0, TokenType::kControl},
              {"</s>", 0, TokenType::kControl}};
    for (int byte = 0; byte < 256; ++byte) {
      char text[8];
      std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
      pieces.push_back({text, 0, TokenType::kByte});
    }
    float score = 0;
    for (const char* text : {"ab", "▁ab", "abc", "▁▁", "▁", "a", "b", "c", "é"})
      pieces.push_back({text, score--});
  }

  std::string bytes() const {
    std::string file;
    for (const Piece& piece : pieces)
      file += field(1, field(1, piece.text) + field(2, piece.score) +
                           field(3, static_cast<uint64_t>(piece.type)));
    return file + field(2, trainer) + field(3, normalizer) + more;
  }
};

inline data::Tokenizer load(const SmallSentencePiece& model, const TempFolder& folder) {
  folder.write("tokenizer.model", model.bytes());
  return data::Tokenizer::load(folder.path());
}

}  // namespace slmtune::testing
