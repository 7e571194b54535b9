// Gemma 2: four norms per layer that scale by 1 + w, embeddings times √hidden, soft-caps on scores
// and logits, a sliding window in every other layer, GeGLU.
#include <ATen/ATen.h>

#include <cmath>

#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/decoder.h"
#include "models/blocks/mlp.h"
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
    const at::Tensor factor = at::scalar_tensor(std::sqrt(static_cast<double>(config_.hidden_size)),
                                                at::TensorOptions().dtype(dtype));
    return Decoder::embed(ids, layout) * factor;
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
          .tiny_config = R"({"head_dim": 6, "sliding_window": 4, "query_pre_attn_scalar": 5,
                             "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0})"};
}

}  // namespace slmtune::models
