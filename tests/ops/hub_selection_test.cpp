#include "ops/hub/selection.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace slmtune::ops {
namespace {

using testing::thrown_text;

std::vector<RemoteFile> files(const std::vector<std::string>& names) {
  std::vector<RemoteFile> result;
  for (const std::string& name : names) result.push_back({.name = name, .bytes = 1, .hash = "h"});
  return result;
}

std::vector<std::string> selected(const std::vector<std::string>& names) {
  std::vector<std::string> result;
  for (const RemoteFile& file : select_files(files(names), "a/b")) result.push_back(file.name);
  return result;
}

std::string refusal(const std::vector<std::string>& names) {
  return thrown_text([&] { selected(names); });
}

using Names = std::vector<std::string>;

TEST(Selection, TakesConfigTokenizerTemplateAndWeightsOnly) {
  EXPECT_EQ(selected({".gitattributes",
                      "LICENSE",
                      "README.md",
                      "config.json",
                      "consolidated.safetensors",
                      "generation_config.json",
                      "merges.txt",
                      "model.safetensors",
                      "onnx/model.onnx",
                      "original/params.json",
                      "params.json",
                      "pytorch_model.bin",
                      "q4.gguf",
                      "tekken.json",
                      "tokenizer.json",
                      "tokenizer.model",
                      "tokenizer.model.v3",
                      "tokenizer_config.json",
                      "training_args.bin",
                      "vocab.json",
                      "sub/config.json",
                      "chat_template.jinja",
                      "special_tokens_map.json",
                      "added_tokens.json",
                      "model.fp16.safetensors",
                      "flax_model.msgpack"}),
            (Names{"added_tokens.json", "chat_template.jinja", "config.json",
                   "generation_config.json", "merges.txt", "model.safetensors",
                   "special_tokens_map.json", "tekken.json", "tokenizer.json", "tokenizer.model",
                   "tokenizer.model.v3", "tokenizer_config.json", "vocab.json"}));
}

TEST(Selection, TakesAllShardsAndTheirIndex) {
  EXPECT_EQ(selected({"config.json", "model-00001-of-00002.safetensors",
                      "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                      "consolidated-00001-of-00002.safetensors", "pytorch_model.bin.index.json"}),
            (Names{"config.json", "model-00001-of-00002.safetensors",
                   "model-00002-of-00002.safetensors", "model.safetensors.index.json"}));
  // One file is what loaders prefer, so the shards beside it are second copies.
  EXPECT_EQ(selected({"config.json", "model-00001-of-00001.safetensors", "model.safetensors",
                      "model.safetensors.index.json"}),
            (Names{"config.json", "model.safetensors"}));
}

TEST(Selection, NamesTheShardThatIsMissing) {
  EXPECT_EQ(refusal({"config.json", "model-00001-of-00003.safetensors",
                     "model-00003-of-00003.safetensors", "model.safetensors.index.json"}),
            "a/b: error[H005]: weight file 'model-00002-of-00003.safetensors' is missing there\n"
            "help: name a revision that is complete, after an @");
  EXPECT_NE(refusal({"config.json", "model-00001-of-00001.safetensors"})
                .find("'model.safetensors.index.json' is missing there"),
            std::string::npos);
  EXPECT_NE(refusal({"config.json", "model-00001-of-00001.safetensors",
                     "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                     "model.safetensors.index.json"})
                .find("mixes two sets"),
            std::string::npos);
}

TEST(Selection, NamesThatOnlyLookLikeShardsAreNone) {
  for (const char* name : {"model-00000-of-00001.safetensors", "model-00002-of-00001.safetensors",
                           "model-1-of-1.safetensors", "model-00001-of-00001.safetensors.bak",
                           "model--0001-of-00001.safetensors", "model- 0001-of-00001.safetensors"})
    EXPECT_NE(refusal({"config.json", name, "model.safetensors.index.json"}).find("H005"),
              std::string::npos)
        << name;
}

TEST(Selection, SaysWhatIsThereInsteadOfWeights) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"pytorch_model.bin", "only there as pickles"},
      {"model.pt", "only there as pickles"},
      {"model-q4.gguf", "only there as GGUF"},
      {"consolidated.safetensors", "not in the layout of transformers"},
      {"adapter_model.safetensors", "an adapter, not a model"},
      {"README.md", "has no safetensors weights"}};
  for (const auto& [file, said] : cases)
    EXPECT_NE(refusal({"config.json", file}).find("error[H005]: "), std::string::npos) << file;
  for (const auto& [file, said] : cases)
    EXPECT_NE(refusal({"config.json", file}).find(said), std::string::npos) << file;
  EXPECT_NE(refusal({"model.safetensors"}).find("no config.json"), std::string::npos);
}

}  // namespace
}  // namespace slmtune::ops
