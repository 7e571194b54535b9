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
        Change{"pad_token_id", "x", "F004", "'pad_token_id'"},
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

// The config of a tiny model without what its family asks for in tests.
Json plain_config(const std::string& architecture) {
  Json json = tiny_config(architecture);
  const std::string_view text = find_family(architecture)->tiny_config;
  const Json special = text.empty() ? Json::object() : Json::parse(text);
  for (const auto& [key, value] : special.items()) json.erase(key);
  return json;
}

using Windows = std::vector<int64_t>;

TEST(ModelConfig, FillsInWhatTransformersAssumes) {
  const ModelConfig mistral = parse(plain_config("MistralForCausalLM"));
  EXPECT_EQ(mistral.windows, (Windows{4096, 4096}));
  Json json = plain_config("Gemma2ForCausalLM");
  json.erase("tie_word_embeddings");
  const ModelConfig gemma = parse(json);
  EXPECT_TRUE(gemma.tied_embeddings);
  EXPECT_EQ(gemma.head_dim, 256);
  EXPECT_EQ(gemma.attention_scale, 1.0 / 16.0);
  EXPECT_EQ(gemma.attention_soft_cap, 50.0);
  EXPECT_EQ(gemma.logit_soft_cap, 30.0);
  EXPECT_EQ(gemma.windows, (Windows{4096, 0}));
  const ModelConfig phi = parse(plain_config("Phi3ForCausalLM"));
  EXPECT_EQ(phi.windows, (Windows{0, 0}));
  EXPECT_EQ(phi.rotary_dim, 4);
}

TEST(ModelConfig, ANullSwitchesAnOptionOff) {
  Json json = plain_config("MistralForCausalLM");
  json["sliding_window"] = nullptr;
  EXPECT_EQ(parse(json).windows, (Windows{0, 0}));
  json = plain_config("Gemma2ForCausalLM");
  json["attn_logit_softcapping"] = json["final_logit_softcapping"] = nullptr;
  EXPECT_EQ(parse(json).attention_soft_cap, 0.0);
  EXPECT_EQ(parse(json).logit_soft_cap, 0.0);
}

TEST(ModelConfig, ReadsWhichLayersHaveAWindow) {
  Json json = tiny_config("Qwen2ForCausalLM");
  json["sliding_window"] = 9;
  json["use_sliding_window"] = false;
  EXPECT_EQ(parse(json).windows, (Windows{0, 0}));
  json["use_sliding_window"] = true;
  json["max_window_layers"] = 1;
  EXPECT_EQ(parse(json).windows, (Windows{0, 9}));
  json["max_window_layers"] = 0;
  EXPECT_EQ(parse(json).windows, (Windows{9, 9}));
  json["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(parse(json).windows, (Windows{9, 0}));
  json = tiny_config("Gemma2ForCausalLM");
  json["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(parse(json).windows, (Windows{0, 4}));
}

TEST(ModelConfig, ReadsLongropeInEveryWriting) {
  const Json factors{{"short_factor", {1.0, 2.0}}, {"long_factor", {3.0, 4.0}}};
  Json json = plain_config("Phi3ForCausalLM");
  json["max_position_embeddings"] = 131072;
  json["original_max_position_embeddings"] = 4096;
  for (const char* type : {"longrope", "su", "yarn"}) {
    json["rope_scaling"] = factors;
    json["rope_scaling"]["type"] = type;
    const ModelConfig config = parse(json);
    EXPECT_EQ(config.rope.type, "longrope");
    EXPECT_EQ(config.rope.original_max_positions, 4096);
    EXPECT_EQ(config.rope.long_factors, (std::vector<double>{3.0, 4.0}));
    EXPECT_NEAR(config.rope.attention_factor, 1.190238, 1e-6);  // sqrt(1 + ln 32 / ln 4096)
  }
  json.erase("rope_scaling");
  json["rope_parameters"] = factors;
  json["rope_parameters"].update({{"rope_type", "longrope"},
                                  {"rope_theta", 5e5},
                                  {"attention_factor", 1.25},
                                  {"partial_rotary_factor", 1.0},
                                  {"original_max_position_embeddings", 4096}});
  EXPECT_EQ(parse(json).rope.attention_factor, 1.25);
  EXPECT_EQ(parse(json).rope_theta, 5e5);
}

TEST(ModelConfig, TakesAPaddingIdOfTheVocabularyOnly) {
  Json json = tiny_config(kLlama);
  EXPECT_EQ(parse(json).pad_id, -1);
  for (const auto& [given, expected] :
       {std::pair{3, 3}, std::pair{-1, -1}, std::pair{40, -1}, std::pair{0, 0}}) {
    json["pad_token_id"] = given;
    EXPECT_EQ(parse(json).pad_id, expected);
  }
}

TEST(ModelConfig, ReadsPartialRotation) {
  Json json = plain_config("Phi3ForCausalLM");
  json["head_dim"] = 128;
  json["partial_rotary_factor"] = 0.75;
  EXPECT_EQ(parse(json).rotary_dim, 96);
}

struct FamilyChange {
  const char* architecture;
  Change change;
};

class BadFamilyConfig : public ::testing::TestWithParam<FamilyChange> {};

TEST_P(BadFamilyConfig, IsRefusedByName) {
  const auto& [architecture, change] = GetParam();
  Json json = plain_config(architecture);
  json[change.key] = change.value;
  EXPECT_TRUE(raises(change.code, {"config.json", change.part}, [&] { parse(json); }));
}

constexpr const char *kMistral = "MistralForCausalLM", *kGemma = "Gemma2ForCausalLM",
                     *kPhi = "Phi3ForCausalLM", *kQwen = "Qwen2ForCausalLM";
INSTANTIATE_TEST_SUITE_P(
    EachKey, BadFamilyConfig,
    ::testing::Values(
        FamilyChange{kMistral, {"hidden_act", "relu", "F051", "'hidden_act' is 'relu'"}},
        FamilyChange{kMistral, {"sliding_window", 0, "F052", "'sliding_window' is 0"}},
        FamilyChange{kMistral, {"layer_types", {"full_attention"}, "F051", "sliding_attention"}},
        FamilyChange{kMistral, {"layer_types", "all", "F004", "'layer_types'"}},
        FamilyChange{kGemma, {"hidden_activation", "gelu", "F051", "gelu_pytorch_tanh"}},
        FamilyChange{kGemma, {"use_bidirectional_attention", true, "F051", "bidirectional"}},
        FamilyChange{kGemma, {"query_pre_attn_scalar", 0, "F052", "'query_pre_attn_scalar' is 0"}},
        FamilyChange{kGemma, {"final_logit_softcapping", -1, "F052", "'final_logit_softcapping'"}},
        FamilyChange{kGemma, {"layer_types", {"chunked", "chunked"}, "F051", "\"chunked\""}},
        FamilyChange{kGemma, {"layer_types", {"full_attention"}, "F052", "1 entries for 2 layers"}},
        FamilyChange{kQwen, {"layer_types", {"sliding_attention"}, "F051", "full_attention in"}},
        FamilyChange{kQwen, {"use_sliding_window", "no", "F004", "'use_sliding_window'"}},
        FamilyChange{kPhi, {"rope_scaling", {{"type", "linear"}}, "F051", "default, longrope"}},
        FamilyChange{kPhi, {"rope_scaling", {{"type", "longrope"}}, "F003", "'rope_scaling.short"}},
        FamilyChange{kPhi,
                     {"rope_scaling",
                      {{"type", "longrope"}, {"short_factor", {1.0}}, {"long_factor", {1.0, 2.0}}},
                      "F052",
                      "'short_factor' has 1 numbers"}},
        FamilyChange{kPhi,
                     {"rope_scaling",
                      {{"type", "longrope"}, {"short_factor", {1.0, -2.0}}},
                      "F004",
                      "'rope_scaling.short_factor'"}},
        FamilyChange{kPhi, {"partial_rotary_factor", 0.1, "F052", "0 of its channels turn"}},
        FamilyChange{kPhi, {"partial_rotary_factor", 1.5, "F052", "6 of its channels turn"}},
        FamilyChange{kPhi,
                     {"rope_parameters",
                      {{"full_attention", {{"rope_type", "default"}}}},
                      "F051",
                      "one rope for all layers"}}));

TEST(ModelConfig, RefusesSlidingLayersWithoutAWindow) {
  Json json = plain_config("Gemma2ForCausalLM");
  json["sliding_window"] = nullptr;
  EXPECT_EQ(parse(json).windows, (Windows{0, 0}));
  json["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_TRUE(raises("F052", {"no 'sliding_window'"}, [&] { parse(json); }));
}

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
