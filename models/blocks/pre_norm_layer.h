// The layer that most families share, around an attention and an MLP of their choice:
//
//   x += attention(norm(x));  x += mlp(norm(x))
#pragma once
#include <memory>

#include "kernels/rms_norm/rms_norm.h"
#include "models/blocks/attention.h"
#include "models/blocks/decoder.h"
#include "models/blocks/mlp.h"
#include "models/blocks/placeholder.h"

namespace slmtune::models {

// AttentionBlock(config, layer, dtype) and MlpBlock(config, dtype) have forward() and
// for_each_linear() as Attention and Mlp do.
template <typename AttentionBlock, typename MlpBlock>
class PreNormLayer final : public DecoderLayer {
 public:
  PreNormLayer(const ModelConfig& config, size_t layer, at::ScalarType dtype)
      : eps_(config.rms_norm_eps),
        input_norm_(placeholder({config.hidden_size}, dtype)),
        post_attention_norm_(placeholder({config.hidden_size}, dtype)),
        attention_(config, layer, dtype),
        mlp_(config, dtype) {}

  at::Tensor forward(const at::Tensor& x, const LayerInput& input) const override {
    const at::Tensor y = x + attention_.forward(kernels::rms_norm(x, input_norm_, eps_), input);
    return y + mlp_.forward(kernels::rms_norm(y, post_attention_norm_, eps_));
  }
  void for_each_linear(const VisitLinear& visit) override {
    attention_.for_each_linear(visit);
    mlp_.for_each_linear(visit);
  }
  void for_each_norm(const VisitTensor& visit) override {
    visit("input_layernorm.weight", input_norm_);
    visit("post_attention_layernorm.weight", post_attention_norm_);
  }

 private:
  double eps_;
  at::Tensor input_norm_, post_attention_norm_;
  AttentionBlock attention_;
  MlpBlock mlp_;
};

// Family::build of such a family.
template <typename AttentionBlock, typename MlpBlock>
std::unique_ptr<CausalLM> make_pre_norm_decoder(const ModelConfig& config,
                                                const LoadOptions& options) {
  return std::make_unique<Decoder>(config, options,
                                   make_layer<PreNormLayer<AttentionBlock, MlpBlock>>);
}

}  // namespace slmtune::models
