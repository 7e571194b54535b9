// What an unknown key is answered with.
#include <gtest/gtest.h>

#include "core/yaml_reader.h"
#include "tests/support/expect_error.h"

namespace slmtune {
namespace {

// The help line for the only mistake in a recipe, read as the program reads one.
std::string advice_for(const std::string& text) {
  YamlReader yaml = YamlReader::from_string(text, "my.yaml");
  yaml.text("name", "");
  yaml.text("store", "");
  yaml.text("method", "");
  YamlReader model = yaml.section("model"), lora = yaml.section("lora"),
             data = yaml.section("data"), train = yaml.section("train");
  for (const char* key : {"path", "quant", "dtype"}) model.text(key, "");
  for (const char* key : {"rank", "alpha", "dropout", "targets", "variant"}) lora.text(key, "");
  for (const char* key : {"max_tokens", "pack"}) data.text(key, "");
  data.section("valid").number("fraction", 0);
  data.sections("train");
  for (const char* key :
       {"epochs", "batch_rows", "micro_batch_tokens", "learning_rate", "warmup", "seed"})
    train.text(key, "");
  std::string thrown = testing::thrown_text([&] { yaml.finish(); });
  size_t help = thrown.find("help: ");
  return help == std::string::npos ? thrown : thrown.substr(help + 6);
}

TEST(YamlAdvice, ATypingMistakeGetsTheNearestKey) {
  EXPECT_EQ(advice_for("lora: {rnak: 16}\n"), "did you mean 'lora.rank'?");
  EXPECT_EQ(advice_for("nmae: faq\n"), "did you mean 'name'?");
  EXPECT_EQ(advice_for("train: {learning_rat: 1}\n"), "did you mean 'train.learning_rate'?");
  EXPECT_EQ(advice_for("tarin: {epochs: 1}\n"), "did you mean 'train'?");
}

TEST(YamlAdvice, AKeyOfAnotherSectionGetsItsPath) {
  EXPECT_EQ(advice_for("rank: 16\n"), "did you mean 'lora.rank'?");
  EXPECT_EQ(advice_for("train: {max_tokens: 16}\n"), "did you mean 'data.max_tokens'?");
  EXPECT_EQ(advice_for("model: {learning_rate: 1}\n"), "did you mean 'train.learning_rate'?");
  EXPECT_EQ(advice_for("alhpa: 16\n"), "did you mean 'lora.alpha'?");
}

TEST(YamlAdvice, WordsOfOtherToolsAreTranslated) {
  EXPECT_EQ(advice_for("lora_r: 8\n"), "did you mean 'lora.rank'?");
  EXPECT_EQ(advice_for("lora: {lora_alpha: 8}\n"), "did you mean 'lora.alpha'?");
  EXPECT_EQ(advice_for("lora: {r: 8}\n"), "did you mean 'lora.rank'?");
  EXPECT_EQ(advice_for("lora_target_modules: all\n"), "did you mean 'lora.targets'?");
  EXPECT_EQ(advice_for("num_train_epochs: 3\n"), "did you mean 'train.epochs'?");
  EXPECT_EQ(advice_for("train: {num_epochs: 3}\n"), "did you mean 'train.epochs'?");
  EXPECT_EQ(advice_for("learning_rate: 1e-4\n"), "did you mean 'train.learning_rate'?");
  EXPECT_EQ(advice_for("base_model: x\n"), "did you mean 'model.path'?");
  EXPECT_EQ(advice_for("model_name_or_path: x\n"), "did you mean 'model.path'?");
  EXPECT_EQ(advice_for("finetuning_type: lora\n"), "did you mean 'method'?");
  EXPECT_EQ(advice_for("cutoff_len: 3\n"), "did you mean 'data.max_tokens'?");
  EXPECT_EQ(advice_for("sequence_len: 3\n"), "did you mean 'data.max_tokens'?");
  EXPECT_EQ(advice_for("sample_packing: yes\n"), "did you mean 'data.pack'?");
  EXPECT_EQ(advice_for("output_dir: out\n"), "did you mean 'store'?");
  EXPECT_EQ(advice_for("datasets: []\n"), "did you mean 'data.train'?");
  EXPECT_EQ(advice_for("val_size: 0.1\n"), "did you mean 'data.valid.fraction'?");
  EXPECT_EQ(advice_for("load_in_4bit: true\n"),
            "did you mean 'model.quant'? (write model.quant: nf4)");
}

TEST(YamlAdvice, ADifferentMeaningIsSaid) {
  EXPECT_EQ(advice_for("gradient_accumulation_steps: 4\n"),
            "did you mean 'train.batch_rows'? (it counts the rows of one whole optimiser step, "
            "accumulation included)");
  EXPECT_EQ(advice_for("micro_batch_size: 4\n"),
            "did you mean 'train.micro_batch_tokens'? (a micro batch is measured in tokens)");
}

TEST(YamlAdvice, AForeignWordIsOnlyTranslatedToAKeyThatIsKnown) {
  YamlReader yaml = YamlReader::from_string("lora_r: 8\n", "gpu.yaml");
  yaml.text("vendor", "");
  EXPECT_EQ(testing::thrown_text([&] { yaml.finish(); }),
            "gpu.yaml:1:1: error[R012]: unknown key 'lora_r'\n"
            "    1 | lora_r: 8\n"
            "      | ^\n"
            "help: known keys here: 'vendor'");
}

TEST(YamlAdvice, AWordForWhatComesLaterSaysSo) {
  YamlReader yaml = YamlReader::from_string("gradient_checkpointing: true\n", "my.yaml");
  yaml.section("train").not_yet("recompute");
  EXPECT_NE(testing::thrown_text([&] {
              yaml.finish();
            }).find("did you mean 'train.recompute'? (this version does not have it)"),
            std::string::npos);
}

TEST(YamlAdvice, KnownPathsOfOtherSectionsAreSuggestedToo) {
  YamlReader yaml = YamlReader::from_string("encoding: q8_0\n", "my.yaml");
  yaml.sections("export");
  yaml.know("export.encoding");
  EXPECT_NE(testing::thrown_text([&] { yaml.finish(); }).find("did you mean 'export.encoding'?"),
            std::string::npos);
}

TEST(YamlAdvice, WithoutANearNameTheKnownKeysAreListed) {
  EXPECT_EQ(advice_for("lora: {temperature: 1}\n"),
            "known keys here: 'alpha', 'dropout', 'rank', 'targets', 'variant'");
}

}  // namespace
}  // namespace slmtune
