#include "data/tokenizer/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <cstring>
#include <vector>

#include "core/error.h"

namespace slmtune::data {
namespace {

constexpr uint32_t kCodePoints = 0x110000;

// White_Space, which is what \s of the split regexes matches.
constexpr CodePointRange kSpaces[] = {
    {0x9, 0xd},       {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

std::vector<uint8_t> make_classes() {
  std::vector<uint8_t> classes(kCodePoints, 0);
  auto mark = [&](std::span<const CodePointRange> ranges, uint8_t bit) {
    for (const CodePointRange& range : ranges)
      for (uint32_t point = range.first; point <= range.last; ++point) classes[point] |= bit;
  };
  mark(letter_ranges(), kLetter);
  mark(number_ranges(), kNumber);
  mark(word_ranges(), kWord);
  mark(kSpaces, kSpace);
  mark(upper_ranges(), kUpperPart);
  mark(lower_ranges(), kLowerPart);
  for (uint8_t& kind : classes)
    if ((kind & kLetter) && !(kind & (kUpperPart | kLowerPart))) kind |= kUpperPart | kLowerPart;
  mark(mark_ranges(), kUpperPart | kLowerPart);
  classes['\n'] |= kNewline;
  classes['\r'] |= kNewline;
  return classes;
}

bool is_ascii(std::string_view text) {
  size_t i = 0;
  for (uint64_t word; i + sizeof word <= text.size(); i += sizeof word) {
    std::memcpy(&word, text.data() + i, sizeof word);
    if (word & 0x8080808080808080u) return false;
  }
  for (; i < text.size(); ++i)
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  return true;
}

// The `tokenizers` package normalises by Unicode 9: characters of later versions are left alone and
// separate their neighbours, which is what a filter by age does.
struct Normalizer {
  Normalizer() {
    nfc = icu::Normalizer2::getNFCInstance(status);
    known.applyPattern(icu::UnicodeString("[:age=9.0:]"), status);
    SLMTUNE_ASSERT(U_SUCCESS(status), "ICU has no NFC data");
    known.freeze();
  }
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = nullptr;
  icu::UnicodeSet known;
};

const Normalizer& normalizer() {
  static const Normalizer instance;
  return instance;
}

icu::StringPiece piece_of(std::string_view text) {
  return {text.data(), static_cast<int32_t>(text.size())};
}

}  // namespace

const uint8_t* code_point_classes() {
  static const std::vector<uint8_t> classes = make_classes();
  return classes.data();
}

size_t previous_character(std::string_view text, size_t end) {
  do --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  return end;
}

void append_utf8(std::string& text, uint32_t code_point) {
  char bytes[U8_MAX_LENGTH];
  int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, code_point);
  text.append(bytes, static_cast<size_t>(size));
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    UChar32 point = 0;
    U8_NEXT(bytes, i, text.size(), point);
    if (point < 0)
      result += "\xEF\xBF\xBD";
    else
      result.append(text, begin, i - begin);
  }
  return result;
}

std::string replace_each_invalid(std::string_view bytes) {
  std::string result;
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  for (size_t i = 0; i < bytes.size();) {
    const size_t begin = i;
    UChar32 point = 0;
    U8_NEXT(first, i, bytes.size(), point);
    if (point < 0) {
      result += "\xEF\xBF\xBD";
      i = begin + 1;
    } else {
      result.append(bytes, begin, i - begin);
    }
  }
  return result;
}

size_t incomplete_tail(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  for (size_t k = 1; k <= 3 && k <= text.size(); ++k) {
    const size_t at = text.size() - k;
    const unsigned char lead = byte(at);
    if ((lead & 0xC0) == 0x80) continue;
    const size_t needed = lead >= 0xC2 && lead < 0xE0  ? 2
                          : lead < 0xC2 || lead > 0xF4 ? 0
                          : lead < 0xF0                ? 3
                                                       : 4;
    if (needed <= k) return 0;
    if (k == 1) return 1;
    const unsigned char second = byte(at + 1);
    const bool allowed = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
                         !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
    return allowed ? k : 0;
  }
  return 0;
}

bool is_nfc(std::string_view text) {
  if (is_ascii(text)) return true;
  UErrorCode status = U_ZERO_ERROR;
  return normalizer().nfc->isNormalizedUTF8(piece_of(text), status) && U_SUCCESS(status);
}

std::string to_nfc(std::string_view text) {
  if (is_nfc(text)) return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::FilteredNormalizer2 filtered(*normalizer().nfc, normalizer().known);
  icu::UnicodeString normal;
  filtered.normalize(icu::UnicodeString::fromUTF8(piece_of(text)), normal, status);
  SLMTUNE_ASSERT(U_SUCCESS(status), "NFC failed");
  std::string result;
  normal.toUTF8String(result);
  return result;
}

}  // namespace slmtune::data
