#include "data/tokenizer/unicode.h"

#include <gtest/gtest.h>

#include "data/tokenizer/byte_alphabet.h"

namespace slmtune::data {
namespace {

TEST(Unicode, ReplacesEachMaximalBrokenSequence) {
  EXPECT_EQ(replace_invalid_utf8("a\xF0\x9F\xA6z"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE0\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("é🦙"), "é🦙");
}

TEST(Unicode, FindsTheUnfinishedEnd) {
  EXPECT_EQ(incomplete_tail("a\xF0\x9F\xA6"), 3u);
  EXPECT_EQ(incomplete_tail("a\xF0\x9F"), 2u);
  EXPECT_EQ(incomplete_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_tail("aé"), 0u);
  EXPECT_EQ(incomplete_tail("a\xE0\x80"), 0u) << "can never become a character";
  EXPECT_EQ(incomplete_tail("\xFF"), 0u);
  EXPECT_EQ(incomplete_tail("\x80\x80"), 0u);
  EXPECT_EQ(incomplete_tail(""), 0u);
}

TEST(Unicode, NfcComposesOnlyWhatUnicode9Knew) {
  EXPECT_EQ(to_nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(to_nfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(to_nfc("plain"), "plain");
  // Dives Akuru vowel sign of Unicode 13.
  EXPECT_EQ(to_nfc("\U00011935\U00011930"), "\U00011935\U00011930");
  EXPECT_FALSE(is_nfc("a\u0323\u0301e\u0301"));
}

TEST(ByteAlphabet, TurnsEveryByteThereAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(bytes)), bytes);
  EXPECT_EQ(to_byte_alphabet(" \n"), "ĠĊ");
  EXPECT_EQ(from_byte_alphabet("a b"), std::nullopt);
  EXPECT_EQ(from_byte_alphabet("语"), std::nullopt);
}

}  // namespace
}  // namespace slmtune::data
