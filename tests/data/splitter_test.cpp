#include "data/tokenizer/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> split(SplitRule rule, std::string_view text) {
  const Splitter splitter(rule);
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t end = splitter.end_of_piece(text, at);
    if (end <= at) throw std::logic_error("no progress");
    pieces.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

TEST(Splitter, CutsWordsNumbersAndPunctuation) {
  EXPECT_THAT(split(SplitRule::kQwen2, "Hi there, 123!\n"),
              ElementsAre("Hi", " there", ",", " ", "1", "2", "3", "!\n"));
  EXPECT_THAT(split(SplitRule::kCl100k, "Hi 12345"), ElementsAre("Hi", " ", "123", "45"));
  EXPECT_THAT(split(SplitRule::kGpt2, "Hi 12345 ?!\n"), ElementsAre("Hi", " 12345", " ?!", "\n"));
}

TEST(Splitter, TakesContractions) {
  EXPECT_THAT(split(SplitRule::kQwen2, "I'LL it's"), ElementsAre("I", "'LL", " it", "'s"));
  EXPECT_THAT(split(SplitRule::kQwen2, "'\u017F"), ElementsAre("'\u017F"));
  EXPECT_THAT(split(SplitRule::kQwen2, "'\u017Fx"), ElementsAre("'\u017F", "x"));
  EXPECT_THAT(split(SplitRule::kGpt2, "I'LL it's"), ElementsAre("I", "'", "LL", " it", "'s"));
}

TEST(Splitter, LeavesTheLastBlankToTheNextWord) {
  EXPECT_THAT(split(SplitRule::kQwen2, "a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(split(SplitRule::kQwen2, "a   "), ElementsAre("a", "   "));
  EXPECT_THAT(split(SplitRule::kQwen2, "a   1"), ElementsAre("a", "  ", " ", "1"));
  EXPECT_THAT(split(SplitRule::kQwen2, "a\u3000\u3000b"), ElementsAre("a", "\u3000", "\u3000b"));
}

TEST(Splitter, EndsBlankRunsAtTheLastNewline) {
  EXPECT_THAT(split(SplitRule::kQwen2, " \n \r\n  x"), ElementsAre(" \n \r\n", " ", " x"));
  EXPECT_THAT(split(SplitRule::kQwen2, "\nx"), ElementsAre("\n", "x"));
  EXPECT_THAT(split(SplitRule::kQwen2, "\tx"), ElementsAre("\tx"));
}

TEST(Splitter, WordsEndWhereUpperCaseFollowsLowerCase) {
  EXPECT_THAT(split(SplitRule::kO200k, "HTTPServer helloWorld"),
              ElementsAre("HTTPServer", " hello", "World"));
  EXPECT_THAT(split(SplitRule::kTekken, "中AB ʰAb\u0301C"),
              ElementsAre("中", "AB", " ʰAb\u0301", "C"));
  EXPECT_THAT(split(SplitRule::kTekken, "\u0301AB"), ElementsAre("\u0301", "AB"));
  EXPECT_THAT(split(SplitRule::kTekken, " ABC"), ElementsAre(" ABC"));
}

TEST(Splitter, ContractionsStayWithTheirWordInGpt4o) {
  EXPECT_THAT(split(SplitRule::kO200k, "don't I'LL"), ElementsAre("don't", " I'LL"));
  EXPECT_THAT(split(SplitRule::kTekken, "don't I'LL"), ElementsAre("don", "'t", " I", "'LL"));
}

TEST(Splitter, SlashesGoWithThePunctuationBeforeThem) {
  EXPECT_THAT(split(SplitRule::kO200k, "a.\n/\nb"), ElementsAre("a", ".\n/\n", "b"));
  EXPECT_THAT(split(SplitRule::kO200k, "x 12345"), ElementsAre("x", " ", "123", "45"));
  EXPECT_THAT(split(SplitRule::kTekken, "x 12"), ElementsAre("x", " ", "1", "2"));
}

TEST(Splitter, KnowsOnlyItsRegexes) {
  EXPECT_EQ(split_rule_of(
                R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
            SplitRule::kGpt2);
  EXPECT_EQ(split_rule_of(R"(\p{L}+)"), std::nullopt);
}

}  // namespace
}  // namespace slmtune::data
