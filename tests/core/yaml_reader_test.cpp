// Typed reading: values, places and the exact text of every mistake.
#include "core/yaml_reader.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace slmtune {
namespace {

using testing::thrown_code;
using testing::thrown_text;

YamlReader read(const std::string& text) {
  return YamlReader::from_string(text, "my.yaml");
}

TEST(YamlReader, ReadsEveryType) {
  YamlReader yaml = read(
      "rank: 16\nplus: +4\nminus: -3\nrate: 2e-4\nrate2: 2.0e-4\nwhole: 3\non: true\noff: "
      "false\nname: faq\n"
      "number_name: 2024\nquoted: \"16\"\ntargets: [q_proj, v_proj]\nweights: [1, 0.5]\n");
  EXPECT_EQ(yaml.integer("rank", 0), 16);
  EXPECT_EQ(yaml.integer("plus", 0), 4);
  EXPECT_EQ(yaml.integer("minus", 0), -3);
  EXPECT_EQ(yaml.number("rate", 0), 2e-4);
  EXPECT_EQ(yaml.number("rate2", 0), 2e-4);
  EXPECT_EQ(yaml.number("whole", 0), 3.0);
  EXPECT_TRUE(yaml.flag("on", false));
  EXPECT_FALSE(yaml.flag("off", true));
  EXPECT_EQ(yaml.text("name", ""), "faq");
  EXPECT_EQ(yaml.text("number_name", ""), "2024");
  EXPECT_EQ(yaml.text("quoted", ""), "16");
  EXPECT_EQ(yaml.texts("targets", {}), (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(yaml.numbers("weights"), (std::vector<double>{1, 0.5}));
  yaml.finish();
}

TEST(YamlReader, GivesDefaultsForAbsentAndNullKeys) {
  YamlReader yaml = read("rank: null\nname: ~\ntargets:\n");
  EXPECT_EQ(yaml.integer("rank", 7), 7);
  EXPECT_EQ(yaml.optional_integer("rank"), std::nullopt);
  EXPECT_EQ(yaml.optional_number("rate"), std::nullopt);
  EXPECT_EQ(yaml.optional_text("name"), std::nullopt);
  EXPECT_EQ(yaml.texts("targets", {"a"}), std::vector<std::string>{"a"});
  EXPECT_EQ(yaml.section("lora").integer("rank", 16), 16);
  EXPECT_TRUE(yaml.sections("train").empty());
  EXPECT_TRUE(yaml.flag("pack", true));
  EXPECT_FALSE(yaml.has("rank"));
  yaml.finish();
}

TEST(YamlReader, LooksWithoutAsking) {
  YamlReader yaml = read("a: {x: 1}\nb: [1]\nc: auto\n");
  EXPECT_TRUE(yaml.is_section("a") && yaml.is_list("b") && yaml.is_text("c", "auto") &&
              yaml.has("c"));
  EXPECT_FALSE(yaml.is_section("b") || yaml.is_list("c") || yaml.is_text("c", "none") ||
               yaml.has("d"));
  EXPECT_EQ(yaml.keys(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(thrown_code([&] { yaml.finish(); }), "R012");
}

TEST(YamlReader, AKeyThatComesLaterIsToldApart) {
  YamlReader yaml = read("gate: {limit: 1}\n");
  yaml.not_yet("gate");
  yaml.not_yet("budget");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:1: error[R015]: 'gate' is not in this version\n"
            "    1 | gate: {limit: 1}\n"
            "      | ^\n"
            "help: remove it");
}

TEST(YamlReader, AConflictNamesBothPlaces) {
  YamlReader yaml = read("a: 1\nb: 2\n");
  yaml.integer("a", 0);
  yaml.integer("b", 0);
  yaml.conflict("b", yaml.where("a"), "'a' and 'b' exclude each other", "keep one");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:2:1: error[R007]: 'a' and 'b' exclude each other\n"
            "    2 | b: 2\n"
            "      | ^\n"
            "help: the other one stands at my.yaml:1:1; keep one");
}

TEST(YamlReader, AKeyThatIsAskedForTwiceIsWrongOnce) {
  YamlReader yaml = read("lora: 16\n");
  yaml.section("lora");
  yaml.section("lora");
  std::string text = thrown_text([&] { yaml.finish(); });
  EXPECT_EQ(text.find("error["), text.rfind("error[")) << text;
}

TEST(YamlReader, AfterTwentyMistakesTheRestIsCounted) {
  std::string source;
  for (int i = 0; i < 25; ++i) source += "key" + std::to_string(i) + ": 1\n";
  YamlReader yaml = read(source);
  std::string text = thrown_text([&] { yaml.finish(); });
  EXPECT_NE(text.find("my.yaml:20:1:"), std::string::npos);
  EXPECT_EQ(text.find("my.yaml:21:1:"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\n\nand 5 more")) << text;
}

TEST(YamlReader, ARequiredTextIsMissedByName) {
  YamlReader yaml = read("model: {dtype: auto}\n");
  EXPECT_EQ(yaml.required_text("name"), "");
  EXPECT_EQ(yaml.section("model").required_text("path"), "");
  yaml.section("model").text("dtype", "");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml: error[R006]: 'name' is missing\n"
            "help: add 'name: …'\n\n"
            "my.yaml:1:1: error[R006]: 'model.path' is missing\n"
            "    1 | model: {dtype: auto}\n"
            "      | ^\n"
            "help: add 'path: …' to section 'model'");
}

TEST(YamlReader, ListsAreStrict) {
  YamlReader yaml = read("a: x\nb: [x, [y]]\nc: [1, two]\nd: 3\n");
  EXPECT_EQ(yaml.texts("a", {"z"}), std::vector<std::string>{"z"});
  EXPECT_EQ(yaml.texts("b", {}), std::vector<std::string>{"x"});
  EXPECT_EQ(yaml.numbers("c"), std::vector<double>{1});
  EXPECT_TRUE(yaml.numbers("d").empty());
  std::string all = thrown_text([&] { yaml.finish(); });
  for (const char* line : {"my.yaml:1:4: error[R003]: 'a' must be a list of texts, got 'x'",
                           "my.yaml:2:8: error[R003]: 'b[1]' must be a text, got a list",
                           "my.yaml:3:8: error[R003]: 'c[1]' must be a number, got 'two'",
                           "my.yaml:4:4: error[R003]: 'd' must be a list of numbers, got '3'"})
    EXPECT_NE(all.find(line), std::string::npos) << all;
}

TEST(YamlReader, TextsAndSectionsAreNotMixedUp) {
  YamlReader yaml = read("name: {a: 1}\nlora: 16\n");
  EXPECT_EQ(yaml.text("name", "x"), "x");
  EXPECT_EQ(yaml.section("lora").integer("rank", 4), 4);
  std::string all = thrown_text([&] { yaml.finish(); });
  EXPECT_NE(all.find("my.yaml:1:7: error[R003]: 'name' must be a text, got a section"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("my.yaml:2:7: error[R003]: 'lora' must be a section of keys, got '16'"),
            std::string::npos);
}

TEST(YamlReader, SectionsTakeOneOrMany) {
  YamlReader one = read("train: {path: a}\n");
  ASSERT_EQ(one.sections("train").size(), 1u);
  EXPECT_EQ(one.sections("train")[0].text("path", ""), "a");
  one.finish();
  YamlReader many = read("train:\n  - path: a\n  - path: b\n    wieght: 2\n  - c\n");
  auto sections = many.sections("train");
  ASSERT_EQ(sections.size(), 2u);
  EXPECT_EQ(sections[1].path(), "train[1]");
  for (YamlReader& section : sections) {
    section.text("path", "");
    section.number("weight", 1);
  }
  EXPECT_EQ(thrown_text([&] { many.finish(); }),
            "my.yaml:4:5: error[R012]: unknown key 'train[1].wieght'\n"
            "    4 |     wieght: 2\n"
            "      |     ^\n"
            "help: did you mean 'train[1].weight'?\n\n"
            "my.yaml:5:5: error[R003]: 'train[2]' must be a section of keys, got 'c'\n"
            "    5 |   - c\n"
            "      |     ^");
}

TEST(YamlReader, AllMistakesComeAtOnceInTheOrderOfTheFile) {
  YamlReader yaml = read("name: faq\nlora:\n  rank: many\n  rnak: 1\nmethod: x\n");
  yaml.choice("method", "lora", {"lora"});
  yaml.text("name", "");
  yaml.section("lora").integer("rank", 16);
  try {
    yaml.finish();
    FAIL();
  } catch (const UserError& error) {
    ASSERT_EQ(error.diagnostics().size(), 3u);
    EXPECT_EQ(error.diagnostics()[0].where, "my.yaml:3:9");
    EXPECT_EQ(error.diagnostics()[1].where, "my.yaml:4:3");
    EXPECT_EQ(error.diagnostics()[2].where, "my.yaml:5:9");
    EXPECT_EQ(error.exit_code(), ExitCode::kRecipe);
  }
}

TEST(YamlReader, ModulesAddTheirOwnMistakes) {
  YamlReader yaml = read("lora:\n  rank: 1\n");
  YamlReader lora = yaml.section("lora");
  lora.integer("rank", 1);
  EXPECT_EQ(lora.where("rank"), "my.yaml:2:3");
  EXPECT_EQ(lora.where(), "my.yaml:1:1");
  EXPECT_EQ(yaml.where(), "my.yaml");
  lora.mistake("R004", "rank", "'lora.rank' must be even", "round it up");
  lora.mistake("R006", "", "the section is odd");
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "my.yaml:1:1: error[R006]: the section is odd\n"
            "    1 | lora:\n"
            "      | ^\n\n"
            "my.yaml:2:3: error[R004]: 'lora.rank' must be even\n"
            "    2 |   rank: 1\n"
            "      |   ^\n"
            "help: round it up");
}

TEST(YamlReader, ASectionReportsItsUnknownKeysOnce) {
  YamlReader yaml = read("lora: {x1: 1}\n");
  YamlReader lora = yaml.section("lora");
  lora.finish();
  lora.finish();
  try {
    yaml.finish();
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.diagnostics().size(), 1u);
  }
}

TEST(YamlReader, ColumnAndCaretCountLetters) {
  YamlReader yaml = read("name: {ä: ö, b: c}\n");
  YamlReader name = yaml.section("name");
  name.text("ä", "");
  std::string all = thrown_text([&] { yaml.finish(); });
  EXPECT_NE(all.find("    1 | name: {ä: ö, b: c}\n      |              ^"), std::string::npos)
      << all;
  EXPECT_EQ(all.find("my.yaml:1:14: error[R012]"), 0u) << all;
}

TEST(YamlOverride, ReplacesAndAddsValues) {
  YamlReader yaml = read("name: faq\nlora: {rank: 4}\ntrain:\n  - path: a\n");
  yaml.set("lora.rank=8");
  yaml.set("lora.alpha=2e1");
  yaml.set("eval.every=0.5");
  yaml.set("train.0.path=b");
  yaml.set("lora.targets=[q_proj, v_proj]");
  yaml.set("name=");
  EXPECT_EQ(yaml.section("lora").integer("rank", 0), 8);
  EXPECT_EQ(yaml.section("lora").number("alpha", 0), 20.0);
  EXPECT_EQ(yaml.section("lora").texts("targets", {}).size(), 2u);
  EXPECT_EQ(yaml.section("eval").number("every", 0), 0.5);
  EXPECT_EQ(yaml.sections("train")[0].text("path", ""), "b");
  EXPECT_EQ(yaml.text("name", "default"), "default");
  yaml.finish();
}

TEST(YamlOverride, IsBlamedForItsMistakes) {
  YamlReader yaml = read("lora: {rank: 4}\n");
  yaml.set("lora.rank=many");
  yaml.set("lora.alhpa=3");
  yaml.section("lora").integer("rank", 4);
  yaml.section("lora").number("alpha", 8);
  EXPECT_EQ(thrown_text([&] { yaml.finish(); }),
            "--set lora.rank=many: error[R003]: 'lora.rank' must be a whole number, got 'many'\n\n"
            "--set lora.alhpa=3: error[R012]: unknown key 'lora.alhpa'\n"
            "help: did you mean 'lora.alpha'?");
}

TEST(YamlOverride, RefusesTheWrongForm) {
  YamlReader yaml = read("name: faq\ntrain: [{path: a}]\n");
  for (const char* wrong : {"lora.rank", "=4", "lora..rank=4", ".a=1", ""})
    EXPECT_EQ(thrown_text([&] { yaml.set(wrong); }),
              "--set " + std::string(wrong) +
                  ": error[U010]: this is not key=value\n"
                  "help: for example --set train.learning_rate=1e-4");
  EXPECT_EQ(thrown_text([&] { yaml.set("name.x=1"); }),
            "--set name.x=1: error[U010]: 'name' is a value, not a section\n"
            "help: write --set key=value with a dotted key of the recipe");
  EXPECT_EQ(thrown_text([&] { yaml.set("train.1.path=b"); }),
            "--set train.1.path=b: error[U010]: 'train' is a list of 1 with no item '1'\n"
            "help: write --set key=value with a dotted key of the recipe");
  EXPECT_EQ(thrown_text([&] { yaml.set("a=[1"); }).substr(0, 40),
            "--set a=[1: error[R002]: this bracket is");
}

}  // namespace
}  // namespace slmtune
