// What the text itself can have wrong: R001, R002, R013, R014, R016 to R021 and N001.
#include <gtest/gtest.h>

#include "core/seed.h"
#include "core/yaml_reader.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;
using testing::thrown_text;

std::string parse_error(const std::string& text) {
  return thrown_text([&] { YamlReader::from_string(text, "my.yaml"); });
}

TEST(YamlSyntax, AMissingFileIsNamed) {
  EXPECT_EQ(thrown_text([] { YamlReader::from_file("/nonexistent/my.yaml"); }),
            "/nonexistent/my.yaml: error[N001]: no such file\n"
            "help: check the path; it is taken from the current folder");
}

TEST(YamlSyntax, AFolderIsNoRecipe) {
  TempFolder folder;
  EXPECT_EQ(thrown([&] { YamlReader::from_file(folder.path()); }),
            "R001|" + folder.path().string() +
                ": error[R001]: this is a folder, not a recipe\n"
                "help: name the YAML file in it");
}

TEST(YamlSyntax, AHugeFileIsRefused) {
  TempFolder folder;
  auto path = folder.write("my.yaml", "a: " + std::string(256 << 10, 'x'));
  EXPECT_EQ(thrown([&] { YamlReader::from_file(path); }),
            "R001|" + path.string() +
                ": error[R001]: larger than 256.0 KiB\nhelp: check that this is the right file");
  EXPECT_EQ(thrown_code([] { YamlReader::from_string("a: " + std::string(1 << 20, 'x'), "f"); }),
            "R001");
  EXPECT_EQ(YamlReader::from_string("a: " + std::string(200'000, 'x'), "f").text("a", "").size(),
            200'000u);
}

TEST(YamlSyntax, AnEmptyFileIsRefused) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "~\n"})
    EXPECT_EQ(parse_error(text),
              "my.yaml: error[R014]: the file is empty\n"
              "help: write 'key: value' lines, as the files in recipes/ do")
        << text;
}

TEST(YamlSyntax, TheRootMustHoldKeys) {
  EXPECT_EQ(parse_error("- a\n- b\n"),
            "my.yaml: error[R014]: the file holds a list instead of keys\n"
            "help: write 'key: value' lines, as the files in recipes/ do");
  EXPECT_EQ(parse_error("just text\n").substr(0, 71),
            "my.yaml: error[R014]: the file holds 'just text' instead of keys\nhelp: ");
}

TEST(YamlSyntax, ASyntaxErrorHasItsPlaceAndLine) {
  EXPECT_EQ(parse_error("name: faq\nlora: a: b\n"),
            "my.yaml:2:8: error[R002]: not valid YAML: illegal map value\n"
            "    2 | lora: a: b\n"
            "      |        ^\n"
            "help: see 'slmtune explain R002' for the usual causes");
}

TEST(YamlSyntax, AnUnclosedBracketIsNamed) {
  EXPECT_EQ(parse_error("name: faq\ntargets: [q_proj\n"),
            "my.yaml:2:10: error[R002]: this bracket is never closed\n"
            "    2 | targets: [q_proj\n"
            "      |          ^\n"
            "help: see 'slmtune explain R002' for the usual causes");
  EXPECT_EQ(parse_error("lora: {rank: 16\ntrain: 1\n").substr(0, 54),
            "my.yaml:1:7: error[R002]: this bracket is never closed");
  EXPECT_EQ(thrown_code([] { YamlReader::from_string("a: [[[", "f"); }), "R002");
}

TEST(YamlSyntax, AnUnclosedQuoteIsNamed) {
  EXPECT_EQ(parse_error("name: \"faq\nlora: 1\n"),
            "my.yaml:1:7: error[R002]: this quote is never closed\n"
            "    1 | name: \"faq\n"
            "      |       ^\n"
            "help: see 'slmtune explain R002' for the usual causes");
  for (const char* text : {"a: 'x\nb: 2\n", "a: 'it''s\n", "'abc: 2\n", "a: \"b\\\"\n",
                           "\xef\xbb\xbf"
                           "a: 'x\n"})
    EXPECT_NE(parse_error(text).find("this quote is never closed"), std::string::npos) << text;
}

TEST(YamlSyntax, ClosedQuotesOfAllKindsAreRead) {
  YamlReader yaml = YamlReader::from_string(
      "\xef\xbb\xbf"
      "a: 'it''s'\nb: \"say \\\"x\\\"\"\nc: \"two\n  lines\"\n'd': ''\ne: |\n  a 'quote\ng: é "
      "\"\nh: 'ü'\n",
      "f");
  EXPECT_EQ(yaml.text("a", ""), "it's");
  EXPECT_EQ(yaml.text("b", ""), "say \"x\"");
  EXPECT_EQ(yaml.text("c", ""), "two lines");
  EXPECT_EQ(yaml.text("d", "x"), "");
  EXPECT_EQ(yaml.text("e", ""), "a 'quote\n");
  EXPECT_EQ(yaml.text("h", ""), "ü");
}

TEST(YamlSyntax, AWrongIndentationIsNamed) {
  EXPECT_EQ(parse_error("  a: 1\nb: 2\n"),
            "my.yaml:2:1: error[R002]: this does not belong to what stands above it\n"
            "    2 | b: 2\n"
            "      | ^\n"
            "help: check the indentation");
}

TEST(YamlSyntax, ATabInTheIndentationIsNamed) {
  EXPECT_EQ(parse_error("lora:\n\trank: 16\n"),
            "my.yaml:2:1: error[R020]: a tab in the indentation\n"
            "    2 |  rank: 16\n"
            "      | ^\n"
            "help: indent with spaces");
}

TEST(YamlSyntax, ATabElsewhereIsAllowed) {
  EXPECT_EQ(YamlReader::from_string("name: faq\t# note\n", "my.yaml").text("name", ""), "faq");
}

TEST(YamlSyntax, OnlyOneDocumentIsRead) {
  EXPECT_EQ(parse_error("a: 1\n---\nb: 2\n"),
            "my.yaml:2:1: error[R018]: more than one document in the file\n"
            "    2 | ---\n"
            "      | ^\n"
            "help: keep one document per file");
}

TEST(YamlSyntax, TextMustBeUtf8) {
  EXPECT_EQ(parse_error("a: 1\nb: \xff\n"),
            "my.yaml:2:4: error[R021]: this is not UTF-8\n"
            "    2 | b: ?\n"
            "      |    ^\n"
            "help: save the file as UTF-8");
  EXPECT_EQ(parse_error("a: äö \xc3(\n").substr(0, 24), "my.yaml:1:7: error[R021]");
}

TEST(YamlSyntax, ControlCharactersAreRefused) {
  EXPECT_EQ(parse_error("a: x\x04y\n"),
            "my.yaml:1:5: error[R021]: a control character\n"
            "    1 | a: x?y\n"
            "      |     ^\n"
            "help: remove it");
  EXPECT_EQ(thrown_code([] { YamlReader::from_string(std::string("a: 1\0b", 6), "f"); }), "R021");
}

TEST(YamlSyntax, KeysMustBeText) {
  EXPECT_EQ(parse_error("? [a, b]\n: 1\n").substr(0, 53),
            "my.yaml:1:3: error[R002]: a key must be plain text\n  ");
  EXPECT_EQ(parse_error("{a: 1}: 2\n").substr(0, 25), "my.yaml:1:1: error[R002]:");
  EXPECT_EQ(parse_error("~: 2\n").substr(0, 53),
            "my.yaml:1:1: error[R002]: a key is missing before ':'");
}

TEST(YamlSyntax, TagsAreRefused) {
  EXPECT_EQ(parse_error("a: !!python/object:os.system x\n").substr(0, 39),
            "my.yaml:1:4: error[R017]: the tag 'tag:");
  for (const char* text : {"a: ! x\n", "a: ! \"x\"\n", "a: !!int 4\n", "a: !x [1]\n", "!a b: 1\n",
                           "a: !!map {b: 1}\n", "a: !<tag> x\n"})
    EXPECT_EQ(thrown_code([&] { YamlReader::from_string(text, "f"); }), "R017") << text;
}

TEST(YamlSyntax, AnchorsAliasesAndMergeKeysAreRefused) {
  EXPECT_EQ(parse_error("a: &x {rank: 4}\nb: *x\n"),
            "my.yaml:1:4: error[R016]: an anchor is not supported\n"
            "    1 | a: &x {rank: 4}\n"
            "      |    ^\n"
            "help: write the value out");
  EXPECT_EQ(parse_error("a: 1\nb: *x\n").substr(0, 53),
            "my.yaml:2:4: error[R016]: an alias is not supported\n ");
  EXPECT_EQ(parse_error("a:\n  <<: {b: 1}\n").substr(0, 56),
            "my.yaml:2:3: error[R016]: a merge key is not supported\n ");
  for (const char* text : {"&x a: 1\n", "a: &x\n", "a: &x b\n", "a: &x [1, *x]\n", "*x : 1\n",
                           "a: [&x 1, *x]\n", "&r\na: *r\n"})
    EXPECT_EQ(thrown_code([&] { YamlReader::from_string(text, "f"); }), "R016") << text;
}

TEST(YamlSyntax, AnAliasBombIsRefused) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) text += (j ? "," : "") + before;
    text += "]\n";
  }
  EXPECT_EQ(parse_error(text).substr(0, 52),
            "my.yaml:1:5: error[R016]: an anchor is not supported");
}

TEST(YamlSyntax, DeepNestingIsRefused) {
  EXPECT_EQ(parse_error("a: " + std::string(40, '[') + std::string(40, ']')).substr(0, 55),
            "my.yaml:1:19: error[R019]: nested deeper than 16 levels");
  for (const char* level : {"[", "{", "{a: ", "[{a: ", "- ", "? ", "- a: "}) {
    std::string text = "a:\n ";
    while (text.size() < 250'000) text += level;
    std::string code = thrown_code([&] { YamlReader::from_string(text, "f"); });
    EXPECT_TRUE(code == "R019" || code == "R002") << level << code;
  }
  std::string indented;
  for (size_t i = 0; i < 700; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_EQ(thrown_code([&] { YamlReader::from_string(indented, "f"); }), "R019");
}

TEST(YamlSyntax, OneHundredThousandBracketsAreRefused) {
  for (const char bracket : {'[', '{'})
    EXPECT_EQ(
        thrown_code([&] { YamlReader::from_string("a: " + std::string(100'000, bracket), "f"); }),
        "R019");
}

TEST(YamlSyntax, ThousandsOfMistakesInOneLineTakeNoTime) {
  std::string text = "a: {";
  while (text.size() < 250'000) text += "x,";
  EXPECT_EQ(thrown_code([&] { YamlReader::from_string(text, "f"); }), "R019");
}

TEST(YamlSyntax, TooManyValuesAreRefused) {
  std::string text = "a: [";
  for (int i = 0; i < 10'001; ++i) text += "1,";
  EXPECT_EQ(parse_error(text + "1]").find(": error[R019]: more than 10000 values\nhelp: "), 15u);
}

TEST(YamlSyntax, EveryDuplicateKeyIsReported) {
  YamlReader yaml =
      YamlReader::from_string("name: a\nlora:\n  rank: 1\n  rank: 2\nname: b\n", "my.yaml");
  EXPECT_EQ(yaml.text("name", ""), "a");
  EXPECT_EQ(yaml.section("lora").integer("rank", 0), 1);
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:4:3: error[R013]: duplicate key 'rank'\n"
            "    4 |   rank: 2\n"
            "      |   ^\n"
            "help: the first one is in line 3; keep one of them\n\n"
            "my.yaml:5:1: error[R013]: duplicate key 'name'\n"
            "    5 | name: b\n"
            "      | ^\n"
            "help: the first one is in line 1; keep one of them");
}

TEST(YamlSyntax, WindowsLineEndsAreFine) {
  YamlReader yaml = YamlReader::from_string("name: faq\r\nrnak: 1\r\n", "my.yaml");
  EXPECT_EQ(yaml.text("name", ""), "faq");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }).find('\r'), std::string::npos);
}

TEST(YamlSyntax, AnyBytesAreReadOrRefused) {
  SplitMix64 random(3);
  const std::string letters = "ab:-?&*!|>'\"%@`{}[],#\n \t~1.\\\x80\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (uint64_t i = random.below(30); i > 0; --i) text += letters[random.below(letters.size())];
    std::string code = thrown_code([&] { YamlReader::from_string(text, "f"); });
    EXPECT_TRUE(code == "noth" || code[0] == 'R') << code << ": " << text;
  }
}

}  // namespace
}  // namespace slmtune
