// Single values: numbers, flags and words, and the exact text of every mistake in them.
#include <gtest/gtest.h>

#include "core/yaml_reader.h"
#include "tests/support/expect_error.h"

namespace slmtune {
namespace {

using testing::thrown_text;

YamlReader read(const std::string& text) {
  return YamlReader::from_string(text, "my.yaml");
}

// First line of what finish() throws.
std::string mistake_of(YamlReader& yaml) {
  std::string text = thrown_text([&] { yaml.finish(); });
  return text.substr(0, text.find('\n'));
}

std::string integer_mistake(const std::string& value, IntRange range = {}) {
  YamlReader yaml = read("rank: " + value + "\n");
  EXPECT_EQ(yaml.integer("rank", 16, range), 16) << "the default stands in";
  return mistake_of(yaml);
}

std::string number_mistake(const std::string& value, NumberRange range = {}) {
  YamlReader yaml = read("rate: " + value + "\n");
  EXPECT_EQ(yaml.number("rate", 0.5, range), 0.5);
  return mistake_of(yaml);
}

TEST(YamlValues, AnIntegerIsWholeAndPlain) {
  EXPECT_EQ(integer_mistake("16.5"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got '16.5'");
  EXPECT_EQ(integer_mistake("abc"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got 'abc'");
  EXPECT_EQ(integer_mistake("1e3"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got '1e3'");
  EXPECT_EQ(integer_mistake("0x10"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got '0x10'");
  EXPECT_EQ(integer_mistake("[1]"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got a list");
  EXPECT_EQ(integer_mistake("{a: 1}"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got a section");
  EXPECT_EQ(integer_mistake("'16'"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got the text '16'");
  EXPECT_EQ(integer_mistake("+-1"),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got '+-1'");
}

TEST(YamlValues, AQuotedNumberGetsAdvice) {
  YamlReader yaml = read("rank: '16'\n");
  yaml.integer("rank", 0);
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:7: error[R003]: 'rank' must be a whole number, got the text '16'\n"
            "    1 | rank: '16'\n"
            "      |       ^\n"
            "help: remove the quotes");
}

TEST(YamlValues, RangesAreNamed) {
  EXPECT_EQ(integer_mistake("5000", {1, 1024}),
            "my.yaml:1:7: error[R004]: 'rank' must be from 1 to 1024, got 5000");
  EXPECT_EQ(integer_mistake("0", {1}),
            "my.yaml:1:7: error[R004]: 'rank' must be at least 1, got 0");
  EXPECT_EQ(integer_mistake("9", {std::numeric_limits<int64_t>::min(), 8}),
            "my.yaml:1:7: error[R004]: 'rank' must be at most 8, got 9");
  EXPECT_EQ(integer_mistake("99999999999999999999"),
            "my.yaml:1:7: error[R004]: 'rank' is too large or too small, got 99999999999999999999");
  EXPECT_EQ(number_mistake("1.5", {0, 1}),
            "my.yaml:1:7: error[R004]: 'rate' must be from 0 to 1, got 1.5");
  EXPECT_EQ(number_mistake("-1e-9", {0}),
            "my.yaml:1:7: error[R004]: 'rate' must be at least 0, got -1e-9");
  EXPECT_EQ(number_mistake("1e999"),
            "my.yaml:1:7: error[R004]: 'rate' is too large or too small, got 1e999");
}

TEST(YamlValues, ANumberIsANumber) {
  EXPECT_EQ(number_mistake("fast"),
            "my.yaml:1:7: error[R003]: 'rate' must be a number, got 'fast'");
  EXPECT_EQ(number_mistake("2e-4x"),
            "my.yaml:1:7: error[R003]: 'rate' must be a number, got '2e-4x'");
  EXPECT_EQ(number_mistake("2,5"), "my.yaml:1:7: error[R003]: 'rate' must be a number, got '2,5'");
  EXPECT_EQ(number_mistake("'inf'"),
            "my.yaml:1:7: error[R003]: 'rate' must be a number, got the text 'inf'");
}

TEST(YamlValues, ANumberIsFinite) {
  for (const char* value : {"nan", "inf", ".nan", ".NaN", ".inf", "-.Inf", "+.INF", "-inf"}) {
    EXPECT_EQ(number_mistake(value),
              "my.yaml:1:7: error[R022]: 'rate' must be a finite number, got '" +
                  std::string(value) + "'");
    EXPECT_NE(integer_mistake(value).find("error[R022]"), std::string::npos);
  }
}

TEST(YamlValues, ARangeMayLeaveItsEndsOut) {
  EXPECT_EQ(number_mistake("0", above_to(0, 1)),
            "my.yaml:1:7: error[R004]: 'rate' must be above 0 and at most 1, got 0");
  EXPECT_EQ(number_mistake("1", from_below(0, 1)),
            "my.yaml:1:7: error[R004]: 'rate' must be at least 0 and below 1, got 1");
  EXPECT_EQ(read("rate: 1\n").number("rate", 0, above_to(0, 1)), 1.0);
  EXPECT_EQ(read("rate: 0\n").number("rate", 1, from_below(0, 1)), 0.0);
}

TEST(YamlValues, AWordMayStandForANumber) {
  EXPECT_EQ(read("n: auto\n").optional_integer("n", {}, {"auto"}), std::nullopt);
  EXPECT_EQ(read("n: 3\n").optional_integer("n", {}, {"auto"}), 3);
  YamlReader yaml = read("n: aut\n");
  yaml.optional_integer("n", {}, {"auto"});
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:4: error[R003]: 'n' must be a whole number or 'auto', got 'aut'\n"
            "    1 | n: aut\n"
            "      |    ^\n"
            "help: did you mean 'auto'?");
}

std::string flag_mistake(const std::string& value) {
  YamlReader yaml = read("pack: " + value + "\n");
  EXPECT_TRUE(yaml.flag("pack", true)) << "the default stands in";
  return thrown_text([&] { yaml.finish(); });
}

TEST(YamlValues, AFlagIsTrueOrFalse) {
  for (const char* value : {"1", "maybe", "'true'", "[true]"})
    EXPECT_EQ(
        flag_mistake(value).find("my.yaml:1:7: error[R003]: 'pack' must be true or false, got "),
        0u)
        << value;
}

TEST(YamlValues, WordsOfOldYamlAreNoFlags) {
  EXPECT_EQ(flag_mistake("yes"),
            "my.yaml:1:7: error[R023]: 'pack' must be true or false, got 'yes'\n"
            "    1 | pack: yes\n"
            "      |       ^\n"
            "help: write true");
  for (const char* value : {"Yes", "on", "y", "True"})
    EXPECT_NE(
        flag_mistake(value).find("R023]: 'pack' must be true or false, got '" + std::string(value)),
        std::string::npos);
  for (const char* value : {"no", "OFF", "N", "FALSE"})
    EXPECT_TRUE(flag_mistake(value).ends_with("help: write false")) << value;
}

TEST(YamlValues, AChoiceSuggestsTheNearestWord) {
  YamlReader yaml = read("method: lroa\n");
  EXPECT_EQ(yaml.choice("method", "lora", {"lora", "full"}), "lora");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:9: error[R005]: 'method' must be 'lora' or 'full', got 'lroa'\n"
            "    1 | method: lroa\n"
            "      |         ^\n"
            "help: did you mean 'lora'?");
}

TEST(YamlValues, AChoiceOfAnotherTypeIsRefused) {
  YamlReader yaml = read("method: [lora]\n");
  yaml.choice("method", "lora", {"lora", "full"});
  EXPECT_EQ(mistake_of(yaml),
            "my.yaml:1:9: error[R003]: 'method' must be 'lora' or 'full', got a list");
}

TEST(YamlValues, AChoiceThatComesLaterIsToldApart) {
  YamlReader yaml = read("method: dpo\n");
  yaml.choice("method", "lora", {"lora", "full"}, {"dpo"});
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:9: error[R015]: 'method: dpo' is not in this version\n"
            "    1 | method: dpo\n"
            "      |         ^\n"
            "help: it takes 'lora' or 'full'");
}

TEST(YamlValues, ALongListOfChoicesStandsInTheHelp) {
  std::vector<std::string> names;
  for (char c = 'a'; c < 'a' + 9; ++c) names.push_back(std::string(5, c));
  YamlReader yaml = read("method: zzz\n");
  yaml.choice("method", "", names);
  std::string text = thrown_text([&] { yaml.finish(); });
  EXPECT_NE(text.find("'method' must be one of 9 words, got 'zzz'"), std::string::npos) << text;
  EXPECT_NE(text.find("help: choose from 'aaaaa', "), std::string::npos) << text;
}

TEST(YamlValues, AListOfChoicesIsCheckedOneByOne) {
  YamlReader yaml = read("metrics: [loss, f2]\n");
  EXPECT_EQ(yaml.texts("metrics", {}, {"loss", "f1"}), std::vector<std::string>{"loss"});
  EXPECT_EQ(mistake_of(yaml),
            "my.yaml:1:17: error[R005]: 'metrics[1]' must be 'loss' or 'f1', got 'f2'");
}

}  // namespace
}  // namespace slmtune
