#include "eval/answer_metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace slmtune::eval {
namespace {

// Right column: what the Python of SQuAD's evaluate-v1.1.py gives for the left one.
TEST(NormaliseAnswer, EqualsTheSquadScript) {
  const std::pair<std::string, std::string> rows[] = {{"The  Quick, brown fox!", "quick brown fox"},
                                                      {"a", ""},
                                                      {"an apple a day", "apple day"},
                                                      {"the-cat", "thecat"},
                                                      {"a.b.c", "abc"},
                                                      {"$1,299.00", "129900"},
                                                      {"U.S.A. the", "usa"},
                                                      {"can't", "cant"},
                                                      {"a_b the_", "ab"},
                                                      {"theatre another", "theatre another"},
                                                      {"one\ttwo\nthree", "one two three"},
                                                      {"x\x1cy", "x y"},
                                                      {"", ""},
                                                      {"  ", ""}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(normalise_answer(text), expected) << text;
}

TEST(NormaliseAnswer, KnowsUnicodeCaseSpaceAndWords) {
  const std::pair<std::string, std::string> rows[] = {
      {"Straße ÄÖÜ", "straße äöü"},
      {"ΑΣ ΟΔΟΣ", "ας οδος"},  // final sigma
      {"İstanbul", "i\u0307stanbul"},
      {"\u00a0the\u3000x\u2028y", "x y"},
      {"“the” end", "“ ” end"},  // only ASCII punctuation goes
      {"thé an", "thé"},
      {"A\u0301 b", "\u0301 b"},  // a combining mark is no word character
      {"٣ a ½", "٣ ½"},
      {"²the", "²the"}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(normalise_answer(text), expected) << text;
}

TEST(NormaliseAnswer, LeavesCjkTogether) {
  EXPECT_EQ(normalise_answer("这个a词"), "这个a词");
  EXPECT_EQ(normalise_answer("a 词"), "词");
  EXPECT_EQ(normalise_answer("日本語、です。"), "日本語、です。");
}

TEST(NormaliseAnswer, SurvivesBrokenUtf8) {
  EXPECT_FALSE(normalise_answer("ab\xff\xfe").empty());
}

TEST(ExactMatch, IgnoresCaseArticlesAndPunctuation) {
  EXPECT_TRUE(exact_match("The answer is 42.", "answer is 42"));
  EXPECT_FALSE(exact_match("answer is 42", "answer is 43"));
  EXPECT_TRUE(exact_match("", " . "));
}

TEST(TokenF1, CountsSharedWordsWithRepeats) {
  EXPECT_DOUBLE_EQ(token_f1("x y z", "x y z"), 1.0);
  EXPECT_DOUBLE_EQ(token_f1("x y", "x z"), 0.5);
  EXPECT_DOUBLE_EQ(token_f1("x x x", "x y"), 2.0 * (1.0 / 3) * 0.5 / (1.0 / 3 + 0.5));
  EXPECT_DOUBLE_EQ(token_f1("p q", "x y"), 0.0);
}

TEST(TokenF1, EmptyAnswersAgreeOnlyWithEachOther) {
  EXPECT_DOUBLE_EQ(token_f1("", "the"), 1.0);
  EXPECT_DOUBLE_EQ(token_f1("", "x"), 0.0);
  EXPECT_DOUBLE_EQ(token_f1("x", ""), 0.0);
}

}  // namespace
}  // namespace slmtune::eval
