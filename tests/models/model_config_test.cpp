#include "models/model_config.h"

#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

using slmtune::testing::raises;
using slmtune::testing::TempFolder;
using slmtune::testing::tiny_config;

constexpr const char* kLlama = "LlamaForCausalLM";

ModelConfig parse(const Json& json) {
  return ModelConfig::from_json(json, "config.json");
}

TEST(ModelConfig, FillsDefaults) {
  Json json = tiny_config(kLlama);
  json.erase("num_key_value_heads");
  json["head_dim"] = nullptr;
  json["eos_token_id"] = nullptr;
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.kv_heads, 4);
  EXPECT_EQ(config.head_dim, 4);
  EXPECT_TRUE(config.eos_ids.empty());
  EXPECT_FALSE(config.attention_bias);
  EXPECT_EQ(config.rope.type, "default");
}

TEST(ModelConfig, ReadsTheKeysOfTransformers4) {
  Json json = tiny_config(kLlama);
  json["torch_dtype"] = "bfloat16";
  json["eos_token_id"] = {1, 2};
  json["rope_theta"] = 500000.0;
  json["rope_scaling"] = {{"type", "llama3"},
                          {"factor", 8.0},
                          {"low_freq_factor", 1.0},
                          {"high_freq_factor", 4.0},
                          {"original_max_position_embeddings", 8192}};
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.eos_ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(config.rope_theta, 500000.0);
  EXPECT_EQ(config.rope.type, "llama3");
  EXPECT_EQ(config.rope.original_max_positions, 8192);
}

TEST(ModelConfig, ReadsTheKeysOfTransformers5) {
  Json json = tiny_config(kLlama);
  json.erase("rope_theta");
  json["dtype"] = "float32";
  json["layer_types"] = {"full_attention", "full_attention"};
  json["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e6}};
  const ModelConfig config = parse(json);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.rope.type, "linear");
  EXPECT_EQ(config.rope.factor, 2.0);
}

TEST(ModelConfig, KnowsWhereAFamilyHasBiases) {
  const ModelConfig qwen = parse(tiny_config("Qwen2ForCausalLM"));
  EXPECT_TRUE(qwen.attention_bias);
  EXPECT_FALSE(qwen.output_bias);
  Json json = tiny_config(kLlama);
  json["attention_bias"] = true;
  json["mlp_bias"] = true;
  const ModelConfig llama = parse(json);
  EXPECT_TRUE(llama.attention_bias && llama.output_bias && llama.mlp_bias);
}

TEST(ModelConfig, FallsBackToTheModelType) {
  Json json = tiny_config("Qwen2ForCausalLM");
  json.erase("architectures");
  EXPECT_EQ(parse(json).architecture, "Qwen2ForCausalLM");
}

TEST(ModelConfig, RefusesAnotherArchitecture) {
  Json json = tiny_config(kLlama);
  json["architectures"] = {"MambaForCausalLM"};
  EXPECT_TRUE(raises("F050",
                     {"MambaForCausalLM", "LlamaForCausalLM, Qwen2ForCausalLM, MistralForCausalLM"},
                     [&] { parse(json); }));
}

struct Change {
  const char* key;
  Json value;
  const char* code;
  const char* part;
};

class BadConfig : public ::testing::TestWithParam<Change> {};

TEST_P(BadConfig, IsRefusedByName) {
  Json json = tiny_config(kLlama);
  json[GetParam().key] = GetParam().value;
  EXPECT_TRUE(raises(GetParam().code, {"config.json", GetParam().part}, [&] { parse(json); }));
}

INSTANTIATE_TEST_SUITE_P(
    EachKey, BadConfig,
    ::testing::Values(
        Change{"hidden_size", 0, "F052", "'hidden_size' is 0"},
        Change{"hidden_size", int64_t{1} << 60, "F052", "'hidden_size'"},
        Change{"hidden_size", "big", "F004", "hidden_size"},
        Change{"hidden_size", nullptr, "F004", "hidden_size"},
        Change{"hidden_size", 18, "F052", "not a multiple of 'num_attention_heads'"},
        Change{"num_hidden_layers", -1, "F052", "'num_hidden_layers' is -1"},
        Change{"num_key_value_heads", 3, "F052", "not a multiple of 'num_key_value_heads'"},
        Change{"head_dim", 3, "F052", "even"},
        Change{"rms_norm_eps", 0.0, "F052", "'rms_norm_eps'"},
        Change{"rms_norm_eps", "x", "F004", "rms_norm_eps"},
        Change{"tie_word_embeddings", "yes", "F004", "'tie_word_embeddings'"},
        Change{"eos_token_id", "</s>", "F004", "'eos_token_id'"},
        Change{"hidden_act", "gelu", "F051", "'hidden_act' is 'gelu'"},
        Change{"attention_bias", 1, "F004", "'attention_bias'"},
        Change{"architectures", Json::array(), "F004", "'architectures'"},
        Change{"quantization_config", {{"bits", 4}}, "F051", "'quantization_config'"},
        Change{"layer_types", {"sliding_attention"}, "F051", "sliding_attention"},
        Change{"partial_rotary_factor", 0.5, "F051", "'partial_rotary_factor' is 0.5"},
        Change{"rope_scaling", {{"rope_type", "mrope"}, {"factor", 4.0}}, "F051", "'mrope'"},
        Change{"rope_scaling", {{"rope_type", "longrope"}}, "F051", "'longrope'"},
        Change{"rope_scaling", {{"rope_type", "linear"}}, "F003", "factor"},
        Change{"rope_scaling", {{"rope_type", "linear"}, {"factor", 0.0}}, "F052", "factor"},
        Change{"rope_scaling", 4, "F004", "'rope_scaling'"},
        Change{"rope_theta", -1.0, "F052", "'rope_theta'"}));

TEST(ModelConfig, NamesAMissingKey) {
  Json json = tiny_config(kLlama);
  json.erase("vocab_size");
  EXPECT_TRUE(raises("F003", {"vocab_size"}, [&] { parse(json); }));
}

TEST(ModelConfig, NamesAMissingOrBrokenFile) {
  const TempFolder folder;
  EXPECT_TRUE(raises("N001", {"config.json"}, [&] { ModelConfig::load(folder.path()); }));
  folder.write("config.json", "{");
  EXPECT_TRUE(raises("F002", {"config.json"}, [&] { ModelConfig::load(folder.path()); }));
  folder.write("config.json", "[]");
  EXPECT_TRUE(raises("F004", {"config.json"}, [&] { ModelConfig::load(folder.path()); }));
}

}  // namespace
}  // namespace slmtune::models
