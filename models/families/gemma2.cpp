// Gemma 2: four norms per layer that scale by 1 + w, embeddings times √hidden, soft-caps on scores
// and logits, a sliding window in every other layer, GeGLU.
#include <ATen/ATen.h>

#include <cmath>

#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/decoder.h"
#include "models/blocks/mlp.h"
#include "models/families/gguf_keys.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"

namespace slmtune::models {
namespace {

DecoderLayer gemma2_layer(const ModelConfig& config, size_t layer, at::ScalarType dtype) {
  const auto norm = [&](const char* name) {
    return placeholder_norm(name, config, dtype, kernels::NormForm::kGemma);
  };
  DecoderLayer made = pre_norm_layer(config, layer, dtype);
  made.attention.before = norm("input_layernorm.weight");
  made.attention.after = norm("post_attention_layernorm.weight");
  made.mlp.before = norm("pre_feedforward_layernorm.weight");
  made.mlp.mixer =
      std::make_unique<GatedMixer>(config.intermediate_size, kernels::Activation::kGeluTanh);
  made.mlp.after = norm("post_feedforward_layernorm.weight");
  return made;
}

class Gemma2Decoder final : public Decoder {
 public:
  using Decoder::Decoder;

  at::Tensor logits(const at::Tensor& hidden) override {
    const at::Tensor raw = Decoder::logits(hidden);
    const double cap = config_.logit_soft_cap;
    return cap > 0.0 ? at::tanh(raw / cap) * cap : raw;
  }

 protected:
  // The factor is rounded to the activations' dtype first, as in training.
  at::Tensor embed(const at::Tensor& ids, const Layout& layout) const override {
    const double factor = std::sqrt(static_cast<double>(config_.hidden_size));
    if (!on_embedding) return embedded_rows(ids, factor);
    return Decoder::embed(ids, layout) *
           at::scalar_tensor(factor, at::TensorOptions().dtype(dtype));
  }
  at::Tensor last_norm(const at::Tensor& x, const at::Tensor& weight) const override {
    return kernels::rms_norm(x, weight, config_.rms_norm_eps, kernels::NormForm::kGemma);
  }
};

void configure(ModelConfig& config, const ConfigReader& keys) {
  // `hidden_act` of the published files is misleading; this key counts.
  if (const std::string name = keys.text("hidden_activation"); name != "gelu_pytorch_tanh")
    keys.refuse("hidden_activation", "'" + name + "'", "gelu_pytorch_tanh");
  if (keys.flag("use_bidirectional_attention"))
    keys.refuse("use_bidirectional_attention", "true", "false");
  config.attention_bias = config.output_bias = keys.flag("attention_bias");
  config.attention_scale = 1.0 / std::sqrt(keys.positive("query_pre_attn_scalar"));
  config.attention_soft_cap = keys.positive_or("attn_logit_softcapping", 0.0);
  config.logit_soft_cap = keys.positive_or("final_logit_softcapping", 0.0);
  read_layer_windows(config, keys, [](int64_t layer) { return layer % 2 == 0; });
}

// llama.cpp takes the score scale of the published models: of Gemma 2 27B, which it knows by its 46
// layers, from the width per head, of all others from the head size.
constexpr int64_t kLayersOf27B = 46;

int64_t gguf_query_scalar(const ModelConfig& config) {
  return config.layers == kLayersOf27B ? config.hidden_size / config.heads : config.head_dim;
}

bool slides_in_even_layers(const ModelConfig& config) {
  for (size_t i = 0; i < config.windows.size(); ++i)
    if (config.windows[i] != (i % 2 == 0 ? config.windows.front() : 0)) return false;
  return true;
}

std::string gguf_obstacle(const ModelConfig& config) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(gguf_query_scalar(config)));
  if (std::fabs(config.attention_scale - scale) > 1e-6 * scale)
    return "llama.cpp takes 'query_pre_attn_scalar' as " +
           std::to_string(gguf_query_scalar(config)) + " for this shape, and the model has another";
  if (config.attention_soft_cap <= 0.0 || config.logit_soft_cap <= 0.0)
    return "llama.cpp always caps scores and logits, and the model does not";
  if (config.attention_bias) return "llama.cpp has no biases for Gemma 2";
  if (shortest_window(config) > 0 && !slides_in_even_layers(config))
    return "llama.cpp has the sliding window in every other layer, and the model in others";
  return {};
}

std::vector<GgufKey> gguf_keys(const ModelConfig& config) {
  // Windows as long as the context are none.
  const int64_t window = shortest_window(config);
  return {{"attention.sliding_window", gguf_count(window > 0 ? window : config.max_positions)},
          {"attn_logit_softcapping", static_cast<float>(config.attention_soft_cap)},
          {"final_logit_softcapping", static_cast<float>(config.logit_soft_cap)}};
}

void gguf_read(Json& config, const GgufReading& file) {
  const auto number = [&](const char* key, double fallback) {
    return file.number(key).value_or(fallback);
  };
  const int64_t heads = config.at("num_attention_heads");
  const bool is_27b = config.at("num_hidden_layers") == kLayersOf27B && heads > 0;
  config["query_pre_attn_scalar"] =
      is_27b ? Json(config.at("hidden_size").get<int64_t>() / heads) : config.at("head_dim");
  config["hidden_activation"] = "gelu_pytorch_tanh";
  config["sliding_window"] = static_cast<int64_t>(number("attention.sliding_window", 4096));
  config["attn_logit_softcapping"] = number("attn_logit_softcapping", 50.0);
  config["final_logit_softcapping"] = number("final_logit_softcapping", 30.0);
}

GgufFacts gguf_facts() {
  return {.architecture = "gemma2",
          .names = {{"model.embed_tokens", "token_embd"},
                    {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
                    {"model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
                    {"model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
                    {"model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
                    {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
                    {"model.layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
                    {"model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"},
                    {"model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
                    {"model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
                    {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
                    {"model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"},
                    {"model.norm", "output_norm"}},
          .rope_types = {"default", "linear"},
          .adds_one_to_norms = true,
          .holds_windows = true,
          .keys = gguf_keys,
          .obstacle = gguf_obstacle,
          .read = gguf_read};
}

std::unique_ptr<CausalLM> build(const ModelConfig& config, const LoadOptions& options) {
  return std::make_unique<Gemma2Decoder>(config, options, gemma2_layer);
}

}  // namespace

Family gemma2_family() {
  return {.architecture = "Gemma2ForCausalLM",
          .model_type = "gemma2",
          .defaults = R"({"head_dim": 256, "max_position_embeddings": 8192,
                          "tie_word_embeddings": true, "sliding_window": 4096, "pad_token_id": 0,
                          "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 256,
                          "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0})",
          .initial_norm = 0.0,
          .has_output_norms = true,
          .configure = configure,
          .build = build,
          .gguf = gguf_facts(),
          .tiny_config = R"({"head_dim": 6, "sliding_window": 4, "query_pre_attn_scalar": 5,
                             "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0})"};
}

}  // namespace slmtune::models
