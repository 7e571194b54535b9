#include "data/tokenizer/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/tokenizer/tokenizer.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;

AddedToken token(int32_t id, const char* text) {
  return {id, text, true, false, false, false, false};
}

// "text" for plain parts, "[text]" for tokens.
std::vector<std::string> split(const std::vector<AddedToken>& tokens, std::string_view text) {
  AddedTokenMatcher matcher;
  for (const AddedToken& one : tokens) matcher.add(one.text, one);
  std::vector<AddedTokenMatcher::Part> parts;
  matcher.split(text, parts);
  std::vector<std::string> result;
  for (const auto& part : parts) {
    const std::string piece(text.substr(part.begin, part.end - part.begin));
    result.push_back(part.id < 0 ? piece : "[" + piece + "]");
  }
  return result;
}

TEST(AddedTokens, TheLeftmostLongestMatches) {
  const std::vector<AddedToken> tokens = {token(1, "<a"), token(2, "<ab>"), token(3, "b>c")};
  EXPECT_THAT(split(tokens, "x<ab>c<ay"), ElementsAre("x", "[<ab>]", "c", "[<a]", "y"));
  EXPECT_THAT(split(tokens, "<<ab"), ElementsAre("<", "[<a]", "b"));
  EXPECT_THAT(split(tokens, ""), ElementsAre());
}

TEST(AddedTokens, StripSwallowsWhitespace) {
  AddedToken both = token(1, "<s>");
  both.lstrip = both.rstrip = true;
  EXPECT_THAT(split({both}, "a \n<s>\u3000 b <s>"),
              ElementsAre("a", "[ \n<s>\u3000 ]", "b", "[ <s>]"));
  EXPECT_THAT(split({both}, "<s> <s>"), ElementsAre("[<s> ]", "[<s>]"));
}

TEST(AddedTokens, SingleWordNeedsFreeSides) {
  AddedToken word = token(1, "ab");
  word.single_word = true;
  EXPECT_THAT(split({word}, "ab xab abé (ab)"), ElementsAre("[ab]", " xab abé (", "[ab]", ")"));
}

}  // namespace
}  // namespace slmtune::data
