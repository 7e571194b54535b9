// The facts files of configs/models: they read, and their shapes have the parameters they name.
#include "models/facts.h"

#include <gtest/gtest.h>

#include <map>

#include "core/error.h"
#include "tests/support/temp_folder.h"

namespace slmtune::models {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

std::map<std::string, ModelFacts> all_facts() {
  std::map<std::string, ModelFacts> all;
  for (const auto& entry : fs::directory_iterator(fs::path(SLMTUNE_SOURCE_DIR) / "configs/models"))
    if (entry.path().extension() == ".yaml")
      all.emplace(entry.path().stem().string(), read_facts(entry.path()));
  return all;
}

TEST(Facts, OfPublishedModelsNameWhatAUserMustKnow) {
  const auto all = all_facts();
  EXPECT_EQ(all.size(), 19u);
  for (const auto& [file, facts] : all) {
    EXPECT_EQ(facts.name, file);
    EXPECT_FALSE(facts.chat_template.empty()) << file;
    EXPECT_FALSE(facts.config.eos_ids.empty()) << file;
    EXPECT_FALSE(facts.licence.empty()) << file;
    if (facts.repository.empty()) continue;  // a model of our own
    EXPECT_FALSE(facts.use.empty() || facts.chinese.empty() || facts.commercial_use.empty())
        << file;
    EXPECT_EQ(facts.commercial_use == "yes", facts.conditions.empty()) << file;
  }
}

TEST(Facts, ParametersOfTheShapeAreThePublishedOnes) {
  for (const auto& [file, facts] : all_facts())
    if (facts.parameters) {
      EXPECT_EQ(count_parameters(facts.config), *facts.parameters) << file;
    }
}

// As published, apart from the files.
TEST(Facts, CountTheModelsOfTheTable) {
  const auto all = all_facts();
  const std::pair<const char*, int64_t> known[] = {
      {"qwen2.5-0.5b", 494'032'768},      {"qwen2.5-7b", 7'615'616'512},
      {"llama3.2-1b", 1'235'814'400},     {"llama3.1-8b", 8'030'261'248},
      {"mistral-7b-v0.1", 7'241'732'096}, {"mistral-7b-v0.3", 7'248'023'552},
      {"gemma2-2b", 2'614'341'888},       {"gemma2-9b", 9'241'705'984},
      {"phi3-mini", 3'821'079'552}};
  for (const auto& [file, count] : known)
    EXPECT_EQ(count_parameters(all.at(file).config), count) << file;
}

TEST(Facts, AreFoundByNameRepositoryOrFolder) {
  for (const char* name : {"qwen2.5-14b", "Qwen/Qwen2.5-14B-Instruct", "models/Qwen2.5-14B-Instruct"})
    EXPECT_EQ(find_facts(name).value().name, "qwen2.5-14b") << name;
  EXPECT_FALSE(find_facts("models/Qwen2.5-15B"));
  EXPECT_FALSE(find_facts(""));
}

TEST(Facts, ArePartOfTheProgram) {
  EXPECT_EQ(embedded_models().size(), all_facts().size());
}

std::string code_of(const std::string& text) {
  TempFolder folder;
  folder.write("facts.yaml", text);
  try {
    read_facts(folder.path() / "facts.yaml");
    return {};
  } catch (const Error& error) {
    return error.code();
  }
}

constexpr const char* kSmall =
    "name: small\narchitecture: LlamaForCausalLM\nhidden_size: 8\nintermediate_size: 16\n"
    "num_hidden_layers: 1\nnum_attention_heads: 2\nmax_position_embeddings: 32\nvocab_size: 10\n"
    "template: chatml\n";

TEST(Facts, RefuseMistakes) {
  const std::string small = kSmall;
  EXPECT_EQ(code_of(small), "");
  EXPECT_EQ(code_of(small + "eos_token_id: [1, 2]\n"), "");
  EXPECT_EQ(code_of(small + "eos_token_id: [1.5]\n"), "R004");
  EXPECT_EQ(code_of(small + "hiden_size: 3\n"), "R012");
  EXPECT_EQ(code_of(small + "chinese: good\n"), "R005");
  EXPECT_EQ(code_of("name: small\n"), "R006");
  EXPECT_EQ(code_of(small + "rope_scaling: {rope_type: strange, factor: 2.0}\n"), "F051");
}

}  // namespace
}  // namespace slmtune::models
