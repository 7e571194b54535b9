// A model of two layers with random weights and the quick start's tokenizer, for tests of the
// exports.
//
//   TinyParts tiny("LlamaForCausalLM", {.tied = false});
//   write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", path);
//   TinyParts gemma("Gemma2ForCausalLM", {.keys = R"({"sliding_window": 32})"});
#pragma once
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"
#include "export/export.h"
#include "models/families/family.h"

namespace slmtune::exporting {

struct TinyOptions {
  bool tied = true;
  int64_t intermediate = 96;
  int64_t rows = 2048;  // of the embedding; the tokenizer has 2048 tokens
  DType dtype = DType::kF16;
  std::string rope = "default";
  std::string keys = "{}";  // of config.json, beside the sizes
};

class TinyParts {
 public:
  explicit TinyParts(std::string_view architecture, TinyOptions options = {})
      : rows(options.rows), options_(options) {
    models::ModelConfig& config = parts.config;
    parts.folder = std::filesystem::path(SLMTUNE_SOURCE_DIR) / "configs/models/tiny";
    parts.name = "tiny";
    const models::Family& family = *models::find_family(architecture);
    Json json{{"architectures", {std::string(architecture)}},
              {"model_type", std::string(family.model_type)},
              {"hidden_size", 64},
              {"intermediate_size", options.intermediate},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
              {"head_dim", 16},
              {"query_pre_attn_scalar", 16},
              {"rms_norm_eps", 1e-6},
              {"rope_theta", 10000.0},
              {"max_position_embeddings", 256},
              {"vocab_size", options.rows},
              {"hidden_act", "silu"},
              {"tie_word_embeddings", options.tied},
              {"eos_token_id", 2},
              {"torch_dtype", "float32"}};
    if (options.rope == "llama3")
      json["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", 64}};
    json.update(Json::parse(options.keys));
    config = models::ModelConfig::from_json(json, "config.json");
    add_all(family.gguf);
  }

  void add(const std::string& name, std::vector<int64_t> shape) {
    std::normal_distribution<float> normal(name.find("norm") == std::string::npos ? 0.0f : 1.0f,
                                           0.1f);
    std::vector<float>& stored = values[name];
    std::vector<std::byte> bytes;
    for (int64_t i = shape_elements(shape); i > 0; --i) {
      float value = normal(generator_);
      append(bytes, value);
      stored.push_back(value);
    }
    parts.tensors.push_back(
        {name, options_.dtype, std::move(shape), [bytes](const auto& write) { write(bytes); }});
  }

  data::Tokenizer tokenizer() const { return data::Tokenizer::load(parts.folder); }

  ModelParts parts;
  int64_t rows;
  std::map<std::string, std::vector<float>> values;  // by Hugging Face name, as stored

 private:
  void append(std::vector<std::byte>& bytes, float& value) {
    if (options_.dtype == DType::kF32) {
      const auto raw = std::as_bytes(std::span(&value, 1));
      bytes.insert(bytes.end(), raw.begin(), raw.end());
      return;
    }
    const bool half = options_.dtype == DType::kF16;
    const uint16_t bits = half ? f32_to_f16(value) : f32_to_bf16(value);
    value = half ? f16_to_f32(bits) : bf16_to_f32(bits);
    const auto raw = std::as_bytes(std::span(&bits, 1));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }

  void add_all(const models::GgufFacts& facts) {
    for (const auto& [module, gguf_name] : facts.names) {
      if (module == "lm_head" && parts.config.tied_embeddings) continue;
      const size_t hole = module.find("{}");
      if (hole == std::string_view::npos) {
        add_module(std::string(module));
        continue;
      }
      for (int64_t layer = 0; layer < parts.config.layers; ++layer)
        add_module(std::string(module).replace(hole, 2, std::to_string(layer)));
    }
  }

  void add_module(const std::string& module) {
    const models::ModelConfig& config = parts.config;
    const int64_t width = config.hidden_size, inner = config.intermediate_size;
    const int64_t queries = config.heads * config.head_dim,
                  keys = config.kv_heads * config.head_dim;
    const std::map<std::string, std::vector<int64_t>> shapes{
        {"embed_tokens", {rows, width}}, {"lm_head", {rows, width}},
        {"q_proj", {queries, width}},    {"k_proj", {keys, width}},
        {"v_proj", {keys, width}},       {"qkv_proj", {queries + 2 * keys, width}},
        {"o_proj", {width, queries}},    {"gate_proj", {inner, width}},
        {"up_proj", {inner, width}},     {"gate_up_proj", {2 * inner, width}},
        {"down_proj", {width, inner}}};
    const std::string last = module.substr(module.rfind('.') + 1);
    const auto shape = shapes.find(last);
    add(module + ".weight", shape == shapes.end() ? std::vector<int64_t>{width} : shape->second);
    if (config.attention_bias && (last == "q_proj" || last == "k_proj" || last == "v_proj"))
      add(module + ".bias", {shape->second.front()});
  }

  TinyOptions options_;
  std::mt19937 generator_{7};
};

}  // namespace slmtune::exporting
