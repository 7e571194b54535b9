// A model of two layers with random weights and the quick start's tokenizer, for tests of the
// exports.
//
//   TinyParts tiny("LlamaForCausalLM", {.tied = false});
//   write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", path);
#pragma once
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "export/export.h"

namespace slmtune::exporting {

struct TinyOptions {
  bool tied = true;
  int64_t intermediate = 96;
  int64_t rows = 2048;  // of the embedding; the tokenizer has 2048 tokens
  DType dtype = DType::kF16;
  std::string rope = "default";
};

class TinyParts {
 public:
  explicit TinyParts(std::string_view architecture, TinyOptions options = {})
      : rows(options.rows), options_(options) {
    models::ModelConfig& config = parts.config;
    parts.folder = std::filesystem::path(SLMTUNE_SOURCE_DIR) / "configs/models/tiny";
    parts.name = "tiny";
    const bool qwen = architecture == "Qwen2ForCausalLM";
    Json json{{"architectures", {std::string(architecture)}},
              {"model_type", qwen ? "qwen2" : "llama"},
              {"hidden_size", 64},
              {"intermediate_size", options.intermediate},
              {"num_hidden_layers", 2},
              {"num_attention_heads", 4},
              {"num_key_value_heads", 2},
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
    config = models::ModelConfig::from_json(json, "config.json");
    add_all(qwen);
  }

  void add(const std::string& name, std::vector<int64_t> shape) {
    size_t count = 1;
    for (int64_t size : shape) count *= static_cast<size_t>(size);
    std::normal_distribution<float> normal(name.find("norm") == std::string::npos ? 0.0f : 1.0f,
                                           0.1f);
    std::vector<float>& stored = values[name];
    std::vector<std::byte> bytes;
    for (size_t i = 0; i < count; ++i) {
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

  void add_all(bool biases) {
    add("model.embed_tokens.weight", {rows, 64});
    for (int layer = 0; layer < 2; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      add(prefix + "input_layernorm.weight", {64});
      add(prefix + "post_attention_layernorm.weight", {64});
      for (const auto& [name, size] :
           {std::pair{"q", 64}, std::pair{"k", 32}, std::pair{"v", 32}}) {
        add(prefix + "self_attn." + name + "_proj.weight", {size, 64});
        if (biases) add(prefix + "self_attn." + name + "_proj.bias", {size});
      }
      add(prefix + "self_attn.o_proj.weight", {64, 64});
      add(prefix + "mlp.gate_proj.weight", {options_.intermediate, 64});
      add(prefix + "mlp.up_proj.weight", {options_.intermediate, 64});
      add(prefix + "mlp.down_proj.weight", {64, options_.intermediate});
    }
    add("model.norm.weight", {64});
    if (!options_.tied) add("lm_head.weight", {rows, 64});
  }

  TinyOptions options_;
  std::mt19937 generator_{7};
};

}  // namespace slmtune::exporting
