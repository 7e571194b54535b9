// What the tokenizer needs of Unicode: classes of code points, NFC and repair of broken UTF-8.
// Versions are those of the `tokenizers` package (letters and numbers of Unicode 16, NFC of Unicode
// 9), whatever ICU the machine has.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace slmtune::data {

struct CodePointRange {
  uint32_t first, last;
};
std::span<const CodePointRange> letter_ranges();  // \p{L}
std::span<const CodePointRange> number_ranges();  // \p{N}
std::span<const CodePointRange> word_ranges();    // \w, for single_word tokens
std::span<const CodePointRange> upper_ranges();   // \p{Lu} and \p{Lt}
std::span<const CodePointRange> lower_ranges();   // \p{Ll}
std::span<const CodePointRange> mark_ranges();    // \p{M}

// kUpperPart is [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], kLowerPart [\p{Ll}\p{Lm}\p{Lo}\p{M}]: letters
// without case and marks have both.
inline constexpr uint8_t kLetter = 1, kNumber = 2, kSpace = 4, kNewline = 8, kWord = 16,
                         kUpperPart = 32, kLowerPart = 64;

// Table of class bits by code point; 0x110000 entries, made once.
const uint8_t* code_point_classes();

struct CodePoint {
  uint32_t value;
  uint32_t bytes;
};

// Precondition: `at` points to the first byte of a well-formed character.
inline CodePoint decode_utf8(const char* at) {
  auto byte = [at](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(at[i])); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

// First byte of the character before `end` in well-formed text. Precondition: end > 0.
size_t previous_character(std::string_view text, size_t end);

void append_utf8(std::string& text, uint32_t code_point);

// Each maximal broken sequence becomes one U+FFFD (as Rust's from_utf8_lossy and WHATWG do).
std::string replace_invalid_utf8(std::string_view text);

// Each byte that belongs to no character becomes one U+FFFD (as SentencePiece does).
std::string replace_each_invalid(std::string_view bytes);

// Bytes at the end of `text` that are the start of a character still to be completed (0 to 3).
size_t incomplete_tail(std::string_view text);

// True when NFC would change nothing (fast for ASCII). Precondition: well-formed.
bool is_nfc(std::string_view text);
std::string to_nfc(std::string_view text);

}  // namespace slmtune::data
