// The frame of every decoder: embedding, layers, a last norm, the head. A family brings its kind of
// layer and overrides what else is special about it.
//
//   x = embed(ids);  x = layer.forward(x, input) per layer;  hidden = last_norm(x)
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "models/blocks/attention.h"
#include "models/causal_lm.h"

namespace slmtune::models {

// One layer. Names are those inside the layer: "self_attn.q_proj", "input_layernorm.weight".
class DecoderLayer {
 public:
  virtual ~DecoderLayer() = default;
  virtual at::Tensor forward(const at::Tensor& x, const LayerInput& input) const = 0;  // [T, D]
  virtual void for_each_linear(const VisitLinear& visit) = 0;
  virtual void for_each_norm(const VisitTensor& visit) = 0;
};

using MakeLayer = std::unique_ptr<DecoderLayer> (*)(const ModelConfig& config, size_t layer,
                                                    at::ScalarType dtype);
template <typename Layer>
std::unique_ptr<DecoderLayer> make_layer(const ModelConfig& config, size_t layer,
                                         at::ScalarType dtype) {
  return std::make_unique<Layer>(config, layer, dtype);
}

class Decoder : public CausalLM {
 public:
  // Parameters are placeholders on the meta device: shapes and dtype, no memory.
  Decoder(const ModelConfig& config, const LoadOptions& options, MakeLayer make);

  at::Tensor hidden(const at::Tensor& ids, const Layout& layout, KvCache* cache) override;
  at::Tensor logits(const at::Tensor& hidden) override;
  void for_each_linear(const VisitLinear& visit) override;
  void for_each_parameter(const VisitTensor& visit) override;

 protected:
  virtual at::Tensor embed(const at::Tensor& ids) const;  // [T] -> [T, D]
  virtual at::Tensor last_norm(const at::Tensor& x, const at::Tensor& weight) const;

 private:
  at::Tensor run_layers(const at::Tensor& ids, const Layout& layout, KvCache* cache) const;
  at::Tensor continue_cache(const at::Tensor& ids, const Layout& layout, KvCache& cache) const;

  at::Tensor embedding_, norm_, head_;  // head_ is undefined when tied to the embedding
  std::vector<std::unique_ptr<DecoderLayer>> layers_;
  RotaryEmbedding rotary_;
};

}  // namespace slmtune::models
