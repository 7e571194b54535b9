#include "export/mixtures/mixture.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace slmtune::exporting {
namespace {

// A line "model …" of mixture_types.txt.
struct Model {
  std::string name, architecture;
  int64_t layers = 0, heads = 0, kv_heads = 0;
  bool tied = false;
  int64_t hidden = 0, ffn = 0;
};

struct Golden {
  Model model;
  std::string mixture;
  bool has_importance = false;
  std::map<std::string, std::string> types;  // "attn_v" -> "q6_k*2,q4_k"; "*" -> all others

  std::string expected(const std::string& role) const {
    const auto found = types.find(role);
    return found != types.end() ? found->second
                                : types.at("*") + "*" + std::to_string(model.layers);
  }
};

std::vector<std::string> roles_of(const Model& model) {
  std::vector<std::string> roles{"token_embd"};
  if (!model.tied) roles.push_back("output");
  const bool is_joined = model.architecture == "phi3";
  for (const char* role : {"attn_q", "attn_k", "attn_v", "ffn_gate"})
    if (!is_joined) roles.push_back(role);
  if (is_joined) roles.push_back("attn_qkv");
  roles.insert(roles.end(), {"attn_output", "ffn_up", "ffn_down"});
  return roles;
}

std::vector<Golden> goldens() {
  std::ifstream file(std::string(SLMTUNE_SOURCE_DIR) + "/tests/export/mixture_types.txt");
  std::vector<Golden> all;
  Model model;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "#") continue;
    if (first == "model") {
      words >> model.name >> model.architecture >> model.layers >> model.heads >> model.kv_heads >>
          model.tied >> model.hidden >> model.ffn;
      continue;
    }
    const size_t plus = first.find('+');
    Golden golden{model, first.substr(0, plus), plus != std::string::npos, {}};
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      golden.types[word.substr(0, equals)] = word.substr(equals + 1);
    }
    all.push_back(std::move(golden));
  }
  return all;
}

// "q6_k", "q6_k", "q4_k" -> "q6_k*2,q4_k"
std::string runs(const std::vector<std::string>& types) {
  std::string text;
  for (size_t i = 0; i < types.size();) {
    size_t end = i;
    while (end < types.size() && types[end] == types[i]) ++end;
    text +=
        (text.empty() ? "" : ",") + types[i] + (end - i > 1 ? "*" + std::to_string(end - i) : "");
    i = end;
  }
  return text;
}

std::string types_of(const Golden& golden, const std::string& role) {
  const Model& model = golden.model;
  const MixtureModel shape{.architecture = model.architecture,
                           .layers = model.layers,
                           .heads = model.heads,
                           .kv_heads = model.kv_heads,
                           .has_output = !model.tied,
                           .has_importance = golden.has_importance};
  const Mixture& mixture = *find_mixture(golden.mixture);
  const int64_t columns = role == "ffn_down" ? model.ffn : model.hidden;
  const auto type = [&](const std::string& name) {
    return std::string(encoding_of(mixture, {name, 2, columns, shape}).encoding->name);
  };
  if (role == "token_embd" || role == "output") return type(role + ".weight");
  std::vector<std::string> types;
  for (int64_t layer = 0; layer < model.layers; ++layer)
    types.push_back(type("blk." + std::to_string(layer) + "." + role + ".weight"));
  return runs(types);
}

TEST(Mixtures, GiveEveryTensorTheTypeThatLlamaQuantizeGivesIt) {
  const std::vector<Golden> all = goldens();
  ASSERT_GE(all.size(), 250u);
  std::set<std::string> models, seen;
  for (const Golden& golden : all) {
    models.insert(golden.model.name);
    seen.insert(golden.mixture);
    for (const std::string& role : roles_of(golden.model))
      EXPECT_EQ(types_of(golden, role), golden.expected(role))
          << golden.model.name << " " << golden.mixture << " " << role
          << (golden.has_importance ? " with importance" : "");
  }
  EXPECT_EQ(models.size(), 18u);
  // The float formats leave nothing to choose.
  EXPECT_EQ(seen.size() + 3, mixtures().size());
}

TEST(Mixtures, FloatFormatsAreTheSameForEveryMatrix) {
  const MixtureModel model{.architecture = "llama", .layers = 8, .heads = 4, .kv_heads = 4};
  for (const char* word : {"f32", "f16", "bf16"})
    for (const char* name : {"token_embd.weight", "blk.0.attn_v.weight", "blk.0.ffn_down.weight"})
      EXPECT_EQ(encoding_of(*find_mixture(word), {name, 2, 100, model}).encoding->name, word);
}

TEST(Mixtures, VectorsAndNormsStayFloat32) {
  const MixtureModel model{.architecture = "llama", .layers = 8, .heads = 4, .kv_heads = 4};
  for (const Mixture& mixture : mixtures()) {
    EXPECT_EQ(encoding_of(mixture, {"blk.0.attn_q.bias", 1, 256, model}).encoding->name, "f32");
    EXPECT_EQ(encoding_of(mixture, {"rope_freqs.weight", 1, 32, model}).encoding->name, "f32");
    EXPECT_EQ(encoding_of(mixture, {"blk.0.attn_norm.weight", 2, 256, model}).encoding->name,
              "f32");
  }
}

TEST(Mixtures, SayWhenRowsDoNotDivideIntoTheWantedBlocks) {
  const MixtureModel model{.architecture = "qwen2", .layers = 24, .heads = 14, .kv_heads = 2};
  const Mixture& mixture = *find_mixture("q4_k_m");
  EXPECT_TRUE(encoding_of(mixture, {"blk.5.ffn_up.weight", 2, 896, model}).fell_back);
  EXPECT_FALSE(encoding_of(mixture, {"blk.5.ffn_down.weight", 2, 4864, model}).fell_back);
}

// Numbers of llama.h, which programs show as the name of the file's type.
TEST(Mixtures, HaveLlamaCppsFileTypeNumbers) {
  const std::map<std::string, uint32_t> numbers{
      {"f32", 0},     {"f16", 1},     {"q4_0", 2},    {"q4_1", 3},    {"q8_0", 7},
      {"q5_0", 8},    {"q5_1", 9},    {"q2_k", 10},   {"q3_k_s", 11}, {"q3_k_m", 12},
      {"q3_k_l", 13}, {"q4_k_s", 14}, {"q4_k_m", 15}, {"q5_k_s", 16}, {"q5_k_m", 17},
      {"q6_k", 18},   {"iq4_nl", 25}, {"bf16", 32}};
  std::map<std::string, uint32_t> found;
  for (const Mixture& mixture : mixtures()) found[std::string(mixture.name)] = mixture.file_type;
  EXPECT_EQ(found, numbers);
  EXPECT_EQ(find_mixture("q4_k"), nullptr);
}

}  // namespace
}  // namespace slmtune::exporting
