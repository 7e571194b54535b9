// Grouped-query self-attention with rotary positions: q, k, v, o projections around
// packed_attention.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>

#include "models/blocks/rope.h"
#include "models/causal_lm.h"

namespace slmtune::models {

struct Attention {
  Linear query, key, value, output;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;

  // x [T, D] -> [T, D]. With `cache` the tokens of the one row continue it: keys and values go to
  // its slot `layer`; the caller moves cache->length on after the last layer.
  at::Tensor forward(const at::Tensor& x, const Rotation& rotation, const Layout& layout,
                     KvCache* cache, size_t layer) const;
};

}  // namespace slmtune::models
