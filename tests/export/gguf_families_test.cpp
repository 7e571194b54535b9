// What each family puts into GGUF beside the common keys, what of it can be read back, and which
// models are refused.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "export/export.h"
#include "export/gguf/gguf_metadata.h"
#include "models/families/family.h"
#include "tests/export/gguf_values.h"
#include "tests/export/tiny_parts.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::raises;
using testing::TempFolder;

const char* const kLongrope = R"({"partial_rotary_factor": 0.75, "max_position_embeddings": 256,
  "original_max_position_embeddings": 64,
  "rope_scaling": {"type": "longrope", "short_factor": [1, 1.1, 1.2, 1.3, 1.4, 1.5],
                   "long_factor": [2, 3, 4, 5, 6, 7]}})";

GgufFile exported(const TinyParts& tiny) {
  const TempFolder folder;
  write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", folder.path() / "a.gguf");
  return GgufFile::open(folder.path() / "a.gguf");
}

bool has_key(const GgufFile& file, const std::string& key) {
  return file.metadata().count(key) > 0;
}

TEST(GgufFamilies, EveryFamilyWritesTheCommonKeysInTheirTypes) {
  for (const models::Family& family : models::families()) {
    const GgufFile file = exported(TinyParts(family.architecture));
    const std::string prefix = std::string(family.gguf.architecture) + ".";
    EXPECT_EQ(value_of<std::string>(file, "general.architecture") + ".", prefix);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "context_length"), 256u);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "embedding_length"), 64u);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "block_count"), 2u);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "feed_forward_length"), 96u);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "attention.head_count"), 4u);
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "attention.head_count_kv"), 2u);
    EXPECT_EQ(value_of<float>(file, prefix + "attention.layer_norm_rms_epsilon"), 1e-6f);
    EXPECT_EQ(value_of<float>(file, prefix + "rope.freq_base"), 10000.0f);
    const bool fixed = family.gguf.fixes_head_dim;
    EXPECT_EQ(has_key(file, prefix + "attention.key_length"), !fixed) << family.architecture;
    EXPECT_EQ(has_key(file, prefix + "attention.value_length"), !fixed) << family.architecture;
    EXPECT_TRUE(value_of<std::string>(file, "general.size_label").ends_with("K"));
  }
}

TEST(GgufFamilies, GemmaWritesWindowAndCaps) {
  const GgufFile file = exported(TinyParts("Gemma2ForCausalLM", {.keys = R"({"sliding_window": 32,
      "attn_logit_softcapping": 40.0, "final_logit_softcapping": 20.0})"}));
  EXPECT_EQ(value_of<uint32_t>(file, "gemma2.context_length"), 256u);
  EXPECT_EQ(value_of<uint32_t>(file, "gemma2.attention.sliding_window"), 32u);
  EXPECT_EQ(value_of<float>(file, "gemma2.attn_logit_softcapping"), 40.0f);
  EXPECT_EQ(value_of<float>(file, "gemma2.final_logit_softcapping"), 20.0f);
}

TEST(GgufFamilies, GemmaNormsAreOneMoreInFloat32) {
  const TinyParts tiny("Gemma2ForCausalLM");
  const GgufFile file = exported(tiny);
  for (const auto& [name, gguf_name] :
       {std::pair{"model.norm.weight", "output_norm.weight"},
        std::pair{"model.layers.1.input_layernorm.weight", "blk.1.attn_norm.weight"},
        std::pair{"model.layers.1.post_attention_layernorm.weight",
                  "blk.1.post_attention_norm.weight"},
        std::pair{"model.layers.1.pre_feedforward_layernorm.weight", "blk.1.ffn_norm.weight"},
        std::pair{"model.layers.1.post_feedforward_layernorm.weight",
                  "blk.1.post_ffw_norm.weight"}}) {
    const std::vector<float> stored = decoded(file, gguf_name);
    const std::vector<float>& source = tiny.values.at(name);
    ASSERT_EQ(stored.size(), source.size());
    for (size_t i = 0; i < stored.size(); ++i) EXPECT_EQ(stored[i], source[i] + 1.0f) << name;
  }
  EXPECT_THROW(file.data("output.weight"), FileFormatError);
}

TEST(GgufFamilies, GemmaOf46LayersTakesTheScaleOfTheWidthPerHead) {
  Json json = TinyParts("Gemma2ForCausalLM").parts.config.json;
  json.update({{"num_hidden_layers", 46}, {"head_dim", 8}});
  json["query_pre_attn_scalar"] = 16;  // 64 / 4
  EXPECT_NO_THROW(check_gguf(models::ModelConfig::from_json(json, "config.json"), ""));
  json["query_pre_attn_scalar"] = 8;
  EXPECT_TRUE(raises("F094", {"'query_pre_attn_scalar' as 16"},
                     [&] { check_gguf(models::ModelConfig::from_json(json, "config.json"), ""); }));
}

TEST(GgufFamilies, PhiWritesPartialRotationAndBothListsOfFactors) {
  const GgufFile file = exported(TinyParts("Phi3ForCausalLM", {.keys = kLongrope}));
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.rope.dimension_count"), 12u);
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.rope.scaling.original_context_length"), 64u);
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.attention.sliding_window"), 0u);
  EXPECT_FLOAT_EQ(value_of<float>(file, "phi3.rope.scaling.attn_factor"),
                  static_cast<float>(std::sqrt(1.0 + std::log(4.0) / std::log(64.0))));
  EXPECT_FALSE(has_key(file, "phi3.rope.scaling.type"));
  EXPECT_EQ(decoded(file, "rope_factors_long.weight"), (std::vector<float>{2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(decoded(file, "rope_factors_short.weight"),
            (std::vector<float>{1, 1.1f, 1.2f, 1.3f, 1.4f, 1.5f}));
}

TEST(GgufFamilies, PhiKeepsItsJoinedMatricesAndItsWindow) {
  const TinyParts tiny("Phi3ForCausalLM", {.tied = false, .keys = R"({"sliding_window": 47})"});
  const GgufFile file = exported(tiny);
  EXPECT_EQ(decoded(file, "blk.1.attn_qkv.weight"),
            tiny.values.at("model.layers.1.self_attn.qkv_proj.weight"));
  EXPECT_EQ(decoded(file, "blk.1.ffn_up.weight"),
            tiny.values.at("model.layers.1.mlp.gate_up_proj.weight"));
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.attention.sliding_window"), 47u);
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.context_length"), 256u);
  EXPECT_EQ(value_of<uint32_t>(file, "phi3.rope.scaling.original_context_length"), 256u);
  EXPECT_NO_THROW(file.data("output.weight"));
}

TEST(GgufFamilies, WhereAWindowHasNoKeyTheContextEndsWithIt) {
  for (const auto& [architecture, keys] :
       {std::pair{"MistralForCausalLM", R"({"sliding_window": 48})"},
        std::pair{
            "Qwen2ForCausalLM",
            R"({"use_sliding_window": true, "sliding_window": 48, "max_window_layers": 1})"}}) {
    const TinyParts tiny(architecture, {.keys = keys});
    const GgufFile file = exported(tiny);
    const std::string prefix = value_of<std::string>(file, "general.architecture") + ".";
    EXPECT_EQ(value_of<uint32_t>(file, prefix + "context_length"), 48u);
    EXPECT_FALSE(has_key(file, prefix + "attention.sliding_window"));
    ASSERT_EQ(gguf_notes(tiny.parts.config).size(), 1u);
    EXPECT_NE(gguf_notes(tiny.parts.config)[0].find("48 tokens"), std::string::npos);
  }
}

TEST(GgufFamilies, AWindowAsLongAsTheContextChangesNothing) {
  for (const models::Family& family : models::families()) {
    const TinyParts tiny(family.architecture,
                         {.keys = R"({"use_sliding_window": true, "max_window_layers": 1,
                                      "sliding_window": 256})"});
    const std::string key = std::string(family.gguf.architecture) + ".context_length";
    EXPECT_EQ(value_of<uint32_t>(exported(tiny), key), 256u) << family.architecture;
    EXPECT_TRUE(gguf_notes(tiny.parts.config).empty()) << family.architecture;
  }
}

TEST(GgufFamilies, NotesTellWhatLlamaCppDoesOtherwiseWithPhi) {
  Json keys = Json::parse(kLongrope);
  keys["sliding_window"] = 100;
  const auto notes = gguf_notes(TinyParts("Phi3ForCausalLM", {.keys = keys.dump()}).parts.config);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("more than 100 tokens"), std::string::npos) << notes[0];
  EXPECT_NE(notes[0].find("at most 64 tokens"), std::string::npos) << notes[0];
}

TEST(GgufFamilies, LinearAndYarnScalingBecomeKeys) {
  for (const char* architecture : {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"}) {
    const GgufFile linear = exported(TinyParts(
        architecture, {.keys = R"({"rope_scaling": {"rope_type": "linear", "factor": 4.0}})"}));
    const std::string prefix = value_of<std::string>(linear, "general.architecture") + ".";
    EXPECT_EQ(value_of<std::string>(linear, prefix + "rope.scaling.type"), "linear");
    EXPECT_EQ(value_of<float>(linear, prefix + "rope.scaling.factor"), 4.0f);
    const GgufFile yarn = exported(TinyParts(architecture, {.keys = R"({"rope_scaling": {
        "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128}})"}));
    EXPECT_EQ(value_of<std::string>(yarn, prefix + "rope.scaling.type"), "yarn");
    EXPECT_EQ(value_of<float>(yarn, prefix + "rope.scaling.factor"), 2.0f);
    EXPECT_EQ(value_of<uint32_t>(yarn, prefix + "rope.scaling.original_context_length"), 128u);
  }
}

TEST(GgufFamilies, ModelsThatLlamaCppWouldComputeOtherwiseAreRefused) {
  const struct {
    const char *architecture, *keys, *part;
  } rows[] = {
      {"Gemma2ForCausalLM", R"({"query_pre_attn_scalar": 24})", "'query_pre_attn_scalar' as 16"},
      {"Gemma2ForCausalLM", R"({"attn_logit_softcapping": null})", "always caps"},
      {"Gemma2ForCausalLM", R"({"final_logit_softcapping": null})", "always caps"},
      {"Gemma2ForCausalLM", R"({"attention_bias": true})", "no biases"},
      {"Gemma2ForCausalLM",
       R"({"sliding_window": 32, "layer_types": ["full_attention", "sliding_attention"]})",
       "every other layer"},
      {"Gemma2ForCausalLM", R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}})",
       "'dynamic'"},
      {"Phi3ForCausalLM", R"({"partial_rotary_factor": 0.7})", "odd number"},
      {"Phi3ForCausalLM", R"({"head_dim": 32})", "'head_dim' 32"},
      {"Qwen2ForCausalLM", R"({"head_dim": 32})", "'head_dim' 32"},
      {"Qwen2ForCausalLM", R"({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}})",
       "'dynamic'"},
      {"LlamaForCausalLM", R"({"rope_scaling": {"rope_type": "yarn", "factor": 2.0,
        "original_max_position_embeddings": 128, "beta_fast": 64}})",
       "another beta"},
      {"LlamaForCausalLM", R"({"rope_scaling": {"rope_type": "yarn", "factor": 2.0,
        "original_max_position_embeddings": 128, "attention_factor": 1.5}})",
       "attention factor"}};
  for (const auto& row : rows) {
    const TinyParts tiny(row.architecture, {.keys = row.keys});
    EXPECT_TRUE(raises("F094", {row.part}, [&] { exported(tiny); })) << row.keys;
  }
  const TinyParts llama3("LlamaForCausalLM", {.rope = "llama3"});
  models::ModelConfig qwen = llama3.parts.config;
  qwen.architecture = "Qwen2ForCausalLM";
  EXPECT_TRUE(raises("F094", {"'llama3'"}, [&] { check_gguf(qwen, ""); }));
}

TEST(GgufFamilies, ARefusedModelLeavesNothingBehind) {
  const TempFolder folder;
  const TinyParts tiny("Gemma2ForCausalLM", {.keys = R"({"query_pre_attn_scalar": 24})"});
  const auto to = folder.path() / "new" / "model.gguf";
  EXPECT_TRUE(
      raises("F094", {}, [&] { write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", to); }));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufFamilies, AnEmbeddingOfAnotherHeightThanTheConfigIsRefused) {
  TinyParts tiny("LlamaForCausalLM");
  tiny.parts.config.vocab_size = 2080;
  EXPECT_TRUE(raises("F094", {"2048 rows", "'vocab_size' is 2080"}, [&] { exported(tiny); }));
}

TEST(GgufFamilies, TheFolderOfAPublishedModelTellsItsLicenceAndOrigin) {
  TinyParts tiny("LlamaForCausalLM");
  const models::GgufFacts& facts = models::find_family("LlamaForCausalLM")->gguf;
  const auto entry = [&](const std::string& key) -> std::string {
    for (const auto& [name, value] : model_metadata(tiny.parts, facts, 1, tiny.rows))
      if (name == key) return std::get<std::string>(value);
    return "";
  };
  EXPECT_EQ(entry("general.base_model.0.name"), "");
  tiny.parts.folder = "models/Qwen2.5-0.5B-Instruct/";
  EXPECT_EQ(entry("general.license"), "apache-2.0");
  EXPECT_EQ(entry("general.base_model.0.name"), "Qwen2.5-0.5B-Instruct");
  EXPECT_EQ(entry("general.base_model.0.organization"), "Qwen");
  EXPECT_EQ(entry("general.base_model.0.repo_url"),
            "https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct");
}

// The config that read() makes of what keys() and vectors() say.
models::ModelConfig read_back(const models::ModelConfig& config) {
  const models::GgufFacts& facts = models::find_family(config.architecture)->gguf;
  Json json{{"architectures", {config.architecture}},
            {"hidden_size", config.hidden_size},
            {"intermediate_size", config.intermediate_size},
            {"num_hidden_layers", config.layers},
            {"num_attention_heads", config.heads},
            {"num_key_value_heads", config.kv_heads},
            {"head_dim", config.head_dim},
            {"max_position_embeddings", gguf_context(config, facts)},
            {"rope_theta", config.rope_theta},
            {"vocab_size", config.vocab_size}};
  models::GgufReading reading{"a.gguf", {}, {}};
  reading.number = [&](const std::string& name) -> std::optional<double> {
    for (const models::GgufKey& key : facts.keys(config)) {
      if (key.name != name) continue;
      if (const auto* count = std::get_if<uint32_t>(&key.value)) return *count;
      return std::get<float>(key.value);
    }
    return std::nullopt;
  };
  reading.vector = [&](const std::string& name) -> std::optional<std::vector<float>> {
    if (facts.vectors != nullptr)
      for (const models::GgufVector& vector : facts.vectors(config))
        if (vector.name == name) return vector.values;
    return std::nullopt;
  };
  facts.read(json, reading);
  return models::ModelConfig::from_json(json, "a.gguf");
}

TEST(GgufFamilies, GemmaIsReadBack) {
  const models::ModelConfig config =
      TinyParts("Gemma2ForCausalLM", {.keys = R"({"sliding_window": 32})"}).parts.config;
  const models::ModelConfig found = read_back(config);
  EXPECT_EQ(found.windows, config.windows);
  EXPECT_EQ(found.attention_scale, config.attention_scale);
  EXPECT_EQ(found.attention_soft_cap, config.attention_soft_cap);
  EXPECT_EQ(found.logit_soft_cap, config.logit_soft_cap);
}

TEST(GgufFamilies, PhiIsReadBack) {
  for (const char* keys :
       {kLongrope, R"({"sliding_window": 47, "partial_rotary_factor": 0.125})"}) {
    const models::ModelConfig config = TinyParts("Phi3ForCausalLM", {.keys = keys}).parts.config;
    const models::ModelConfig found = read_back(config);
    EXPECT_EQ(found.windows, config.windows);
    EXPECT_EQ(found.rotary_dim, config.rotary_dim);
    EXPECT_EQ(found.rope.type, config.rope.type);
    EXPECT_EQ(found.rope.original_max_positions, config.rope.original_max_positions);
    EXPECT_EQ(found.rope.long_factors, config.rope.long_factors);
    EXPECT_NEAR(found.rope.attention_factor, config.rope.attention_factor, 1e-6);
    ASSERT_EQ(found.rope.short_factors.size(), config.rope.short_factors.size());
    for (size_t i = 0; i < found.rope.short_factors.size(); ++i)
      EXPECT_NEAR(found.rope.short_factors[i], config.rope.short_factors[i], 1e-6);
  }
}

TEST(GgufFamilies, Llama3ScalingIsReadBackFromItsDivisors) {
  for (const int64_t head_dim : {32, 64, 128})
    for (const double factor : {8.0, 32.0}) {
      models::ModelConfig config = TinyParts("LlamaForCausalLM").parts.config;
      config.head_dim = head_dim;
      config.rope_theta = 500000.0;
      config.rope = {"llama3", factor, 1.0, 4.0, 8192};
      const models::ModelConfig found = read_back(config);
      EXPECT_EQ(found.rope.type, "llama3");
      EXPECT_EQ(found.rope.factor, factor);
      EXPECT_EQ(found.rope.low_freq_factor, 1.0);
      EXPECT_EQ(found.rope.high_freq_factor, 4.0);
      EXPECT_NEAR(static_cast<double>(found.rope.original_max_positions), 8192.0, 1.0)
          << head_dim << " " << factor;
    }
}

TEST(GgufFamilies, DivisorsThatAreNotLlama3sAreRefused) {
  const models::GgufFacts& facts = models::find_family("LlamaForCausalLM")->gguf;
  for (const std::vector<float>& values :
       {std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, std::vector<float>{1, 1, 1, INFINITY},
        std::vector<float>{0.5f, 0.5f}, std::vector<float>{8, 1, 8, 8}}) {
    models::GgufReading reading{"a.gguf", [](const std::string&) { return std::nullopt; },
                                [&](const std::string&) { return std::optional(values); }};
    Json json{{"rope_theta", 10000.0}};
    EXPECT_TRUE(raises("F051", {"'rope_freqs.weight'"}, [&] { facts.read(json, reading); }));
  }
}

}  // namespace
}  // namespace slmtune::exporting
