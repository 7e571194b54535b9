// How tokens become text again.
#pragma once
#include <cstdint>
#include <string>

namespace slmtune::data {

struct DecodeRules {
  enum class Kind {
    kByteLevel,      // pieces are bytes in the byte alphabet
    kFused,          // tokenizer.json: Replace '▁', ByteFallback, Fuse, Strip
    kMetaspace,      // tokenizer.json: Metaspace
    kSentencePiece,  // tokenizer.model
  };
  Kind kind = Kind::kByteLevel;
  bool byte_tokens = false;     // kFused: <0x0A> is a byte
  bool restores_spaces = true;  // kFused: '▁' becomes ' '
  // Blanks taken off in front: kFused as many as this, kSentencePiece one of the first token (with
  // `strip_every` one of each token until text comes), kMetaspace all of the first token.
  uint32_t strip = 0;
  bool strip_every = false;
  std::string unknown;  // kSentencePiece: what the unknown token stands for
};

}  // namespace slmtune::data
