#include "data/tokenizer/splitter.h"

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uint8_t kNotOther = kLetter | kNumber | kSpace;  // "other" is [^\s\p{L}\p{N}]

// Length of 's 't 're 've 'm 'll 'd at `at` (which holds the apostrophe), or 0. Ignoring case, 's'
// also stands for U+017F.
size_t contraction(std::string_view text, size_t at, bool ignore_case) {
  auto letter = [&](size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  if (ignore_case && text.substr(at + 1, 2) == "\xC5\xBF") return 3;
  return 0;
}

}  // namespace

std::optional<SplitRule> split_rule_of(std::string_view regex) {
  if (regex ==
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
    return SplitRule::kCl100k;
  if (regex ==
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
    return SplitRule::kQwen2;
  if (regex ==
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
    return SplitRule::kO200k;
  if (regex ==
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
    return SplitRule::kTekken;
  if (regex == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)")
    return SplitRule::kGpt2;
  return std::nullopt;
}

// The character at a place: its class and where the next one begins. Past the end: class kSpace, as
// no alternative goes on.
struct Splitter::Here {
  uint8_t kind;
  size_t next;
};

Splitter::Splitter(SplitRule rule) : rule_(rule), classes_(code_point_classes()) {}

Splitter::Here Splitter::look(std::string_view text, size_t at) const {
  if (at >= text.size()) return {kSpace, at};
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {classes_[lead], at + 1};
  const CodePoint point = decode_utf8(text.data() + at);
  return {classes_[point.value], at + point.bytes};
}

size_t Splitter::skip(std::string_view text, size_t at, uint8_t wanted) const {
  while (at < text.size()) {
    const Here here = look(text, at);
    if (!(here.kind & wanted)) break;
    at = here.next;
  }
  return at;
}

size_t Splitter::skip_other(std::string_view text, size_t at) const {
  while (at < text.size()) {
    const Here here = look(text, at);
    if (here.kind & kNotOther) break;
    at = here.next;
  }
  return at;
}

size_t Splitter::end_of_piece(std::string_view text, size_t at) const {
  switch (rule_) {
    case SplitRule::kWhole:
      return text.size();
    case SplitRule::kGpt2:
      return gpt2(text, at);
    case SplitRule::kCl100k:
    case SplitRule::kQwen2:
      return cl100k(text, at);
    case SplitRule::kO200k:
    case SplitRule::kTekken:
      break;
  }
  return cased(text, at);
}

// \p{N} or \p{N}{1,3}. Precondition: a number stands at `at`.
size_t Splitter::numbers(std::string_view text, size_t at) const {
  const bool single = rule_ == SplitRule::kQwen2 || rule_ == SplitRule::kTekken;
  size_t end = look(text, at).next;
  for (int more = single ? 0 : 2; more > 0; --more) {
    const Here digit = look(text, end);
    if (!(digit.kind & kNumber)) break;
    end = digit.next;
  }
  return end;
}

// (?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t Splitter::cl100k(std::string_view text, size_t at) const {
  const Here here = look(text, at);
  if (text[at] == '\'')
    if (size_t length = contraction(text, at, true)) return at + length;
  if (here.kind & kLetter) return skip(text, here.next, kLetter);
  if (here.kind & kNumber) return numbers(text, at);
  const Here next = look(text, here.next);
  if (!(here.kind & kNewline) && (next.kind & kLetter)) return skip(text, next.next, kLetter);
  const bool blank_then_other = text[at] == ' ' && !(next.kind & kNotOther);
  if (!(here.kind & kSpace) || blank_then_other)
    return skip(text, skip_other(text, here.next), kNewline);
  return spaces(text, at, true);
}

// With U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W = [\p{Ll}\p{Lm}\p{Lo}\p{M}], C = (?i:'s|…)? for
// GPT-4o and nothing for Tekken:
// [^\r\n\p{L}\p{N}]?U*W+C|[^\r\n\p{L}\p{N}]?U+W*C|numbers| ?[^\s\p{L}\p{N}]+[\r\n/]*|blanks
size_t Splitter::cased(std::string_view text, size_t at) const {
  const Here here = look(text, at);
  if (size_t end = cased_word(text, at, here)) {
    if (rule_ == SplitRule::kO200k && end < text.size() && text[end] == '\'')
      end += contraction(text, end, true);
    return end;
  }
  if (here.kind & kNumber) return numbers(text, at);
  const bool blank_then_other = text[at] == ' ' && !(look(text, here.next).kind & kNotOther);
  if ((here.kind & kSpace) && !blank_then_other) return spaces(text, at, true);
  size_t end = skip_other(text, here.next);
  while (end < text.size() && (text[end] == '/' || text[end] == '\r' || text[end] == '\n')) ++end;
  return end;
}

// The first two alternatives without C, in the order in which a backtracking engine tries them; 0
// when there is no word.
size_t Splitter::cased_word(std::string_view text, size_t at, const Here& here) const {
  if (here.kind & (kNewline | kNumber)) return 0;
  if (here.kind & kLetter) {
    const size_t end = ending_in_lower(text, at);
    return end > 0 ? end : skip(text, at, kUpperPart);
  }
  if (size_t end = ending_in_lower(text, here.next)) return end;
  if (here.kind & kLowerPart) return here.next;  // a mark before upper case is a word of its own
  const size_t end = skip(text, here.next, kUpperPart);
  return end > here.next ? end : 0;
}

// End of U*W+ at `at`, or 0. Where no W follows the run of U, the engine gives back characters of U
// until one is a W as well.
size_t Splitter::ending_in_lower(std::string_view text, size_t at) const {
  size_t end = at, last_both = 0;
  for (;;) {
    const Here here = look(text, end);
    if (!(here.kind & kUpperPart)) {
      return here.kind & kLowerPart ? skip(text, here.next, kLowerPart) : last_both;
    }
    end = here.next;
    if (here.kind & kLowerPart) last_both = end;
  }
}

// 's|…| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t Splitter::gpt2(std::string_view text, size_t at) const {
  if (text[at] == '\'')
    if (size_t length = contraction(text, at, false)) return at + length;
  Here here = look(text, at);
  if (text[at] == ' ') {
    const Here next = look(text, at + 1);
    if (!(next.kind & kSpace)) here = next;
  }
  if (here.kind & kLetter) return skip(text, here.next, kLetter);
  if (here.kind & kNumber) return skip(text, here.next, kNumber);
  if (!(here.kind & kSpace)) return skip_other(text, here.next);
  return spaces(text, at, false);
}

// A run of whitespace: up to its last newline (\s*[\r\n]+), else all but the last one when text
// follows (\s+(?!\S)).
size_t Splitter::spaces(std::string_view text, size_t at, bool by_newline) const {
  size_t end = at, last = at, after_newline = 0;
  while (end < text.size()) {
    const Here here = look(text, end);
    if (!(here.kind & kSpace)) break;
    last = end;
    end = here.next;
    if (here.kind & kNewline) after_newline = end;
  }
  if (by_newline && after_newline > 0) return after_newline;
  if (end == text.size() || last == at) return end;
  return last;
}

}  // namespace slmtune::data
