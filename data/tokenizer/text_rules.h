// What happens to text before byte-pair encoding: NFC, blanks written as '▁', and the '▁' in front.
// Two steps, because added tokens with 'normalized' are looked for between them: the normalizer,
// and the pre-tokenizer Metaspace (https://github.com/huggingface/tokenizers). A SentencePiece
// model has only the first (https://github.com/google/sentencepiece, normalizer.cc).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slmtune::data {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // '▁', U+2581

// Where text came from: the span that holds the byte at `begin` and what follows.
struct SpanStart {
  size_t begin;
  int32_t span;
};

// Text and where its parts came from; `starts` is empty when nobody asks.
struct MappedText {
  std::string text;
  std::vector<SpanStart> starts;
};

struct TextRules {
  enum class Metaspace { kNone, kNever, kFirst, kAlways };

  // The normalizer.
  bool nfc = false;
  std::string prefix;              // in front of text that is not empty
  bool prefix_only_first = false;  // only at the very start, not after each added token
  bool mark_spaces = false;        // ' ' becomes '▁'
  bool squeeze_spaces = false;     // blanks at the ends go, of several in the middle one stays

  // The pre-tokenizer. kNever still writes ' ' as '▁'; the others put one '▁' in front of text that
  // has none.
  Metaspace metaspace = Metaspace::kNone;

  // True when normalise() would give back `text`.
  bool keeps(std::string_view text) const;
  // `text` is what lies between two added tokens, `is_first` whether it begins the whole. NFC is
  // done per span.
  MappedText normalise(std::string_view text, std::span<const SpanStart> starts,
                       bool is_first) const;
  // Precondition: metaspace != kNone.
  MappedText mark(std::string_view text, std::span<const SpanStart> starts, bool is_first) const;
};

}  // namespace slmtune::data
