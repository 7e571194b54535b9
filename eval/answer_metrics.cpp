#include "eval/answer_metrics.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utypes.h>

#include <map>
#include <vector>

namespace slmtune::eval {
namespace {

// The classes of Python, in which the metric is defined: str.split()'s white space,
// string.punctuation and \w.
bool is_space(UChar32 c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || u_isUWhiteSpace(c);
}

bool is_ascii_punctuation(UChar32 c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_word_character(UChar32 c) {
  return u_isalpha(c) || u_getNumericValue(c) != U_NO_NUMERIC_VALUE;
}

icu::UnicodeString lower_without_punctuation(std::string_view text) {
  icu::UnicodeString lower = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  lower.toLower(icu::Locale::getRoot());
  icu::UnicodeString kept;
  for (int32_t i = 0; i < lower.length(); i = lower.moveIndex32(i, 1))
    if (!is_ascii_punctuation(lower.char32At(i))) kept.append(lower.char32At(i));
  return kept;
}

bool is_article(const icu::UnicodeString& run) {
  return run == UNICODE_STRING_SIMPLE("a") || run == UNICODE_STRING_SIMPLE("an") ||
         run == UNICODE_STRING_SIMPLE("the");
}

// Replaces by a blank each article that stands alone between non-word characters.
icu::UnicodeString without_articles(const icu::UnicodeString& text) {
  icu::UnicodeString result, run;
  const auto flush = [&] {
    if (is_article(run))
      result.append(u' ');
    else
      result.append(run);
    run.remove();
  };
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    if (is_word_character(c)) {
      run.append(c);
      continue;
    }
    flush();
    result.append(c);
  }
  flush();
  return result;
}

std::vector<std::string> words(std::string_view answer) {
  std::vector<std::string> result;
  icu::UnicodeString word;
  const auto flush = [&] {
    if (word.isEmpty()) return;
    result.emplace_back();
    word.toUTF8String(result.back());
    word.remove();
  };
  const icu::UnicodeString text = without_articles(lower_without_punctuation(answer));
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    if (is_space(c))
      flush();
    else
      word.append(c);
  }
  flush();
  return result;
}

}  // namespace

std::string normalise_answer(std::string_view text) {
  std::string result;
  for (const std::string& word : words(text)) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

bool exact_match(std::string_view prediction, std::string_view reference) {
  return normalise_answer(prediction) == normalise_answer(reference);
}

double token_f1(std::string_view prediction, std::string_view reference) {
  const std::vector<std::string> predicted = words(prediction), expected = words(reference);
  if (predicted.empty() || expected.empty())
    return predicted.empty() == expected.empty() ? 1.0 : 0.0;
  std::map<std::string, size_t> left;
  for (const std::string& word : expected) ++left[word];
  size_t common = 0;
  for (const std::string& word : predicted) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  if (common == 0) return 0.0;
  const double precision = static_cast<double>(common) / static_cast<double>(predicted.size());
  const double recall = static_cast<double>(common) / static_cast<double>(expected.size());
  return 2.0 * precision * recall / (precision + recall);
}

}  // namespace slmtune::eval
