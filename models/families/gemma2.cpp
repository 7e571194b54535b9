// Gemma 2: four norms per layer that scale by 1 + w, embeddings times √hidden, soft-caps on scores
// and logits, a sliding window in every other layer, GeGLU.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/attention.h"
#include "models/blocks/decoder.h"
#include "models/blocks/mlp.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"

namespace slmtune::models {
namespace {

// x̂·(1 + w), all in float32 and rounded once at the end, where Llama rounds x̂ before it scales.
at::Tensor offset_rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return kernels::rms_norm(x.to(wide), weight.to(wide) + 1.0, eps).to(x.scalar_type());
}

// gelu_tanh(gate) ⊙ up; keeps only its two inputs for the gradient.
struct GeGlu : torch::autograd::Function<GeGlu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return at::gelu(gate, "tanh").mul_(up);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    return {at::gelu_backward(gradients[0] * up, gate, "tanh"),
            at::gelu(gate, "tanh").mul_(gradients[0])};
  }
};

at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up) {
  return GeGlu::apply(gate, up);
}

class Gemma2Layer final : public DecoderLayer {
 public:
  Gemma2Layer(const ModelConfig& config, size_t layer, at::ScalarType dtype)
      : eps_(config.rms_norm_eps), attention_(config, layer, dtype), mlp_(config, dtype, geglu) {
    for (at::Tensor* norm : {&before_attention_, &after_attention_, &before_mlp_, &after_mlp_})
      *norm = placeholder({config.hidden_size}, dtype);
  }

  at::Tensor forward(const at::Tensor& x, const LayerInput& input) const override {
    const at::Tensor mixed = attention_.forward(norm(x, before_attention_), input);
    const at::Tensor y = x + norm(mixed, after_attention_);
    return y + norm(mlp_.forward(norm(y, before_mlp_)), after_mlp_);
  }
  void for_each_linear(const VisitLinear& visit) override {
    attention_.for_each_linear(visit);
    mlp_.for_each_linear(visit);
  }
  void for_each_norm(const VisitTensor& visit) override {
    visit("input_layernorm.weight", before_attention_);
    visit("post_attention_layernorm.weight", after_attention_);
    visit("pre_feedforward_layernorm.weight", before_mlp_);
    visit("post_feedforward_layernorm.weight", after_mlp_);
  }

 private:
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const {
    return offset_rms_norm(x, weight, eps_);
  }

  double eps_;
  at::Tensor before_attention_, after_attention_, before_mlp_, after_mlp_;
  Attention attention_;
  Mlp mlp_;
};

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
  at::Tensor embed(const at::Tensor& ids) const override {
    const at::Tensor factor = at::scalar_tensor(std::sqrt(static_cast<double>(config_.hidden_size)),
                                                at::TensorOptions().dtype(dtype));
    return Decoder::embed(ids) * factor;
  }
  at::Tensor last_norm(const at::Tensor& x, const at::Tensor& weight) const override {
    return offset_rms_norm(x, weight, config_.rms_norm_eps);
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
  return std::make_unique<Gemma2Decoder>(config, options, make_layer<Gemma2Layer>);
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
          .configure = configure,
          .build = build,
          .tiny_config = R"({"head_dim": 6, "sliding_window": 4, "query_pre_attn_scalar": 5,
                             "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0})"};
}

}  // namespace slmtune::models
