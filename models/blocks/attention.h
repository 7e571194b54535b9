// Grouped-query self-attention with rotary positions.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "models/blocks/half.h"
#include "models/blocks/packed_attention.h"

namespace slmtune::models {

// Turns, caches and mixes q [T, H·hd], k and v [T, K·hd] -> [T, H·hd]. Window, scale and soft-cap
// of `layer` as config says. Keeps its output and the log-sums of the scores.
class AttentionMixer final : public Mixer {
 public:
  AttentionMixer(const ModelConfig& config, size_t layer);
  std::vector<int64_t> widths() const override;
  at::Tensor forward(const Parts& parts, const LayerInput& input) const override;
  void prepare(Parts& parts, const PackedRows& rows) const override;  // turns q and k
  Mixed mix(const Parts& parts, const PackedRows& rows) const override;
  at::Tensor backward(at::Tensor gradient, const Parts& parts, const std::vector<at::Tensor>& kept,
                      const PackedRows& rows, Parts& gradients) const override;
  bool overwrites_parts() const override { return false; }

 private:
  // Views of the parts [T, heads, hd]; undefined ones stay so.
  Parts by_head(const Parts& parts) const;

  int64_t heads_, kv_heads_, head_dim_;
  kernels::AttentionOptions options_;
};

// With separate q, k, v and o projections and a norm of the usual kind before them.
Half attention_half(const ModelConfig& config, size_t layer, at::ScalarType dtype);

}  // namespace slmtune::models
