#include "core/text.h"

#include <gtest/gtest.h>

#include "core/sha256.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

std::string nearest(const std::string& name, std::vector<std::string> candidates) {
  return nearest_name(name, candidates);
}

TEST(NearestName, CountsATranspositionAsOneStep) {
  EXPECT_EQ(nearest("rnak", {"rank", "mask"}), "rank");
  EXPECT_EQ(nearest("alhpa", {"alpha", "also"}), "alpha");
}

TEST(NearestName, GivesNothingWhenNothingIsNear) {
  EXPECT_EQ(nearest("banana", {"rank", "alpha"}), "");
  EXPECT_EQ(nearest("rank", {}), "");
  EXPECT_EQ(nearest("ab", {"cd"}), "");
  EXPECT_EQ(nearest("", {"ab"}), "");
}

TEST(NearestName, AllowsMoreStepsInLongNames) {
  EXPECT_EQ(nearest("micro_batch_toknes_x", {"micro_batch_tokens"}), "micro_batch_tokens");
  EXPECT_EQ(nearest("learning_rat", {"learning_rate", "warmup"}), "learning_rate");
}

TEST(NearestName, PrefersTheFirstOfEquals) {
  EXPECT_EQ(nearest("cat", {"bat", "hat"}), "bat");
}

TEST(QuotedList, ReadsLikeASentence) {
  EXPECT_EQ(quoted_list({}), "");
  EXPECT_EQ(quoted_list(std::vector<std::string>{"a"}), "'a'");
  EXPECT_EQ(quoted_list(std::vector<std::string>{"a", "b"}), "'a' or 'b'");
  EXPECT_EQ(quoted_list(std::vector<std::string>{"a", "b", "c"}), "'a', 'b' or 'c'");
}

TEST(HumanBytes, ChoosesTheUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(8192), "8.0 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(3ull << 29), "1.5 GiB");
  EXPECT_EQ(human_bytes(~0ull), "16.0 EiB");
}

TEST(HumanSeconds, ChoosesTheUnit) {
  EXPECT_EQ(human_seconds(0), "0 s");
  EXPECT_EQ(human_seconds(42.3), "42 s");
  EXPECT_EQ(human_seconds(59.7), "1 min 00 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
  EXPECT_EQ(human_seconds(7800), "2 h 10 min");
  EXPECT_EQ(human_seconds(-1), "unknown");
  EXPECT_EQ(human_seconds(0.0 / 0.0), "unknown");
}

TEST(Utf8, AcceptsEveryPlane) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"));
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesWhatUnicodeForbids) {
  EXPECT_FALSE(is_utf8("\x80"));
  EXPECT_FALSE(is_utf8("\xc3"));
  EXPECT_FALSE(is_utf8("\xc0\xaf"));          // overlong '/'
  EXPECT_FALSE(is_utf8("\xe0\x80\xaf"));      // overlong
  EXPECT_FALSE(is_utf8("\xf0\x80\x80\xaf"));  // overlong
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));  // above U+10FFFF
  EXPECT_FALSE(is_utf8("\xe2\x82"));
  EXPECT_FALSE(is_utf8("\xe2\x28\xa1"));
}

TEST(Shown, KeepsATerminalSafe) {
  EXPECT_EQ(shown("plain \xc3\xa4"), "plain \xc3\xa4");
  EXPECT_EQ(shown("\x1b[31m\n\x7f\xff"), "?[31m???");
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m"),
            "?31m");  // C1 control sequence introducer
  EXPECT_EQ(printable("a\x1b[31m\nb\xff\x9b"), "a?[31m\nb??");
  EXPECT_EQ(shown("abcdef", 3), "abc…");
  EXPECT_EQ(shown("ab\xc3\xa4", 3), "ab…");  // never half a letter
}

TEST(Hex, IsLowerCase) {
  const unsigned char bytes[] = {0x00, 0xab, 0xff};
  EXPECT_EQ(hex(bytes), "00abff");
}

TEST(UtcNow, HasTheFormOfTheDocumentation) {
  std::string now = utc_now();
  ASSERT_EQ(now.size(), 20u);
  EXPECT_EQ(now[10], 'T');
  EXPECT_EQ(now.back(), 'Z');
}

TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, OfAFileEqualsThatOfItsBytes) {
  testing::TempFolder folder;
  EXPECT_EQ(sha256_file(folder.write("a", "abc")), sha256("abc"));
  EXPECT_EQ(sha256_file(folder.write("empty", "")), sha256(""));
  EXPECT_EQ(testing::thrown_code([&] { sha256_file(folder.path() / "none"); }), "N001");
}

}  // namespace
}  // namespace slmtune
