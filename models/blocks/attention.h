// Grouped-query self-attention with rotary positions. Attention is the usual block with separate
// q, k, v and o projections; AttentionMixer is what lies between any projections.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>

#include "models/blocks/packed_attention.h"
#include "models/blocks/placeholder.h"
#include "models/blocks/rope.h"
#include "models/causal_lm.h"

namespace slmtune::models {

// What a forward pass hands to every layer. With `cache` the tokens of the one row continue it:
// keys and values go to its slot `layer`; the caller moves cache->length on after the last layer.
struct LayerInput {
  const Rotation& rotation;
  const Layout& layout;
  KvCache* cache;
  size_t layer;
};

// Turns, caches and mixes; no parameters. Window, scale and soft-cap of `layer` as config says.
class AttentionMixer {
 public:
  AttentionMixer(const ModelConfig& config, size_t layer);
  // q [T, H·hd], k and v [T, K·hd] -> [T, H·hd]
  at::Tensor forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const LayerInput& input) const;

 private:
  int64_t heads_, kv_heads_, head_dim_;
  AttentionOptions options_;
};

struct Attention {
  Attention(const ModelConfig& config, size_t layer, at::ScalarType dtype);
  at::Tensor forward(const at::Tensor& x, const LayerInput& input) const;  // [T, D] -> [T, D]
  void for_each_linear(const VisitLinear& visit);

  Linear query, key, value, output;
  AttentionMixer mixer;
};

}  // namespace slmtune::models
