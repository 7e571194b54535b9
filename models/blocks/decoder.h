// The frame of every decoder: embedding, layers, a last norm, the head. A family brings its kind of
// layer and overrides what else is special about it.
//
//   x = embed(ids);  x = mlp(attention(x)) per layer;  hidden = last_norm(x)
#pragma once
#include <memory>
#include <vector>

#include "models/blocks/half.h"
#include "models/causal_lm.h"

namespace slmtune::models {

struct DecoderLayer {
  Half attention, mlp;
};

// Most families: the usual attention and MLP, a norm before each.
DecoderLayer pre_norm_layer(const ModelConfig& config, size_t layer, at::ScalarType dtype);

using MakeLayer = DecoderLayer (*)(const ModelConfig& config, size_t layer, at::ScalarType dtype);

class Decoder : public CausalLM {
 public:
  // Parameters are placeholders on the meta device: shapes and dtype, no memory.
  Decoder(const ModelConfig& config, const LoadOptions& options, MakeLayer make);

  at::Tensor hidden(const at::Tensor& ids, const Layout& layout, KvCache* cache) override;
  at::Tensor logits(const at::Tensor& hidden) override;
  void settle() override { written_.settle(); }
  Head head() const override;
  void for_each_linear(const VisitLinear& visit) override;
  void for_each_parameter(const VisitTensor& visit) override;

 protected:
  virtual at::Tensor embed(const at::Tensor& ids, const Layout& layout) const;  // [T] -> [T, D]
  // Rows of the table times a factor, nothing else.
  at::Tensor embedded_rows(const at::Tensor& ids, double scale = 1.0) const;
  virtual at::Tensor last_norm(const at::Tensor& x, const at::Tensor& weight) const;

 private:
  at::Tensor run_layers(const at::Tensor& ids, const Layout& layout, KvCache* cache) const;
  at::Tensor continue_cache(const at::Tensor& ids, const Layout& layout, KvCache& cache) const;

  at::Tensor embedding_, norm_, head_;  // head_ is undefined when tied to the embedding
  std::vector<DecoderLayer> layers_;
  RotaryEmbedding rotary_;
  mutable kernels::WrittenWeights written_;
};

// Family::build of a family that needs no more than its kind of layer.
template <MakeLayer make>
std::unique_ptr<CausalLM> make_decoder(const ModelConfig& config, const LoadOptions& options) {
  return std::make_unique<Decoder>(config, options, make);
}

}  // namespace slmtune::models
