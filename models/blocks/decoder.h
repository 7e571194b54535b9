// The pre-norm decoder that Llama and Qwen2 share:
//
//   x += attention(norm(x));  x += mlp(norm(x));   per layer, then a last norm and the head
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/blocks/attention.h"
#include "models/blocks/mlp.h"
#include "models/causal_lm.h"

namespace slmtune::models {

class PreNormDecoder final : public CausalLM {
 public:
  // Biases as `config` says. Parameters are placeholders on the meta device: shapes and dtype, no
  // memory.
  PreNormDecoder(const ModelConfig& config, const LoadOptions& options);

  at::Tensor hidden(const at::Tensor& ids, const Layout& layout, KvCache* cache) override;
  at::Tensor logits(const at::Tensor& hidden) override;
  void for_each_linear(
      const std::function<void(const std::string& name, Linear& linear)>& visit) override;
  void for_each_parameter(
      const std::function<void(const std::string& name, at::Tensor& tensor)>& visit) override;

 private:
  struct Layer {
    at::Tensor input_norm, post_attention_norm;
    Attention attention;
    Mlp mlp;
  };
  Layer make_layer() const;
  at::Tensor run_layers(at::Tensor x, const Layout& layout, KvCache* cache) const;

  at::Tensor embedding_, norm_, head_;  // head_ is undefined when tied to the embedding
  std::vector<Layer> layers_;
  RotaryEmbedding rotary_;
};

std::unique_ptr<CausalLM> make_pre_norm_decoder(const ModelConfig& config,
                                                const LoadOptions& options);

}  // namespace slmtune::models
