#include "models/blocks/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "models/blocks/exact_attention.h"

namespace slmtune::models {
namespace {

// Puts `fresh` [T, K, hd] behind the `length` places in use; returns the part in use [K, length +
// T, hd].
at::Tensor append(at::Tensor& store, int64_t length, const at::Tensor& fresh) {
  constexpr int64_t kFirstCapacity = 128;
  const int64_t needed = length + fresh.size(0);
  if (!store.defined() || store.size(1) < needed) {
    const int64_t capacity = std::max({needed, 2 * length, kFirstCapacity});
    at::Tensor grown = at::empty({fresh.size(1), capacity, fresh.size(2)}, fresh.options());
    if (length > 0) grown.narrow(1, 0, length).copy_(store.narrow(1, 0, length));
    store = grown;
  }
  store.narrow(1, length, fresh.size(0)).copy_(fresh.transpose(0, 1));
  return store.narrow(1, 0, needed);
}

// q [T, H, hd] over keys and values [K, n, hd] whose last T places are the queries' own -> [T, H,
// hd].
at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                            const AttentionOptions& options) {
  if (q.size(0) > 1 || options.soft_cap > 0.0) return exact_attention(q, keys, values, options);
  // One token sees the whole window: no mask. The query heads of one key head are its "tokens".
  const int64_t seen = options.window > 0 ? std::min(options.window, keys.size(1)) : keys.size(1);
  const int64_t first = keys.size(1) - seen, kv_heads = keys.size(0);
  const at::Tensor k = keys.narrow(1, first, seen), v = values.narrow(1, first, seen);
  const at::Tensor out = at::scaled_dot_product_attention(
      q.view({1, kv_heads, q.size(1) / kv_heads, q.size(2)}), k.unsqueeze(0), v.unsqueeze(0), {},
      0.0, /*is_causal=*/false, options.scale);
  return out.reshape({1, q.size(1), q.size(2)});
}

}  // namespace

AttentionMixer::AttentionMixer(const ModelConfig& config, size_t layer)
    : heads_(config.heads),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      options_{.scale = config.attention_scale,
               .soft_cap = config.attention_soft_cap,
               .window = config.windows[layer]} {}

at::Tensor AttentionMixer::forward(const at::Tensor& q_rows, const at::Tensor& k_rows,
                                   const at::Tensor& v_rows, const LayerInput& input) const {
  const int64_t tokens = q_rows.size(0);
  const at::Tensor q = rotate(q_rows.view({tokens, heads_, head_dim_}), input.rotation);
  const at::Tensor k = rotate(k_rows.view({tokens, kv_heads_, head_dim_}), input.rotation);
  const at::Tensor v = v_rows.view({tokens, kv_heads_, head_dim_});
  at::Tensor mixed;
  if (input.cache == nullptr) {
    mixed = packed_attention(q, k, v, input.layout.starts, options_);
  } else {
    KvCache& cache = *input.cache;
    const at::Tensor keys = append(cache.keys[input.layer], cache.length, k);
    const at::Tensor values = append(cache.values[input.layer], cache.length, v);
    const bool fresh = cache.length == 0 && tokens > 1;
    mixed = fresh ? packed_attention(q, k, v, {0, tokens}, options_)
                  : cached_attention(q, keys, values, options_);
  }
  return mixed.reshape({tokens, heads_ * head_dim_});
}

Attention::Attention(const ModelConfig& config, size_t layer, at::ScalarType dtype)
    : mixer(config, layer) {
  const int64_t width = config.hidden_size, queries = config.heads * config.head_dim;
  const int64_t keys = config.kv_heads * config.head_dim;
  query = placeholder_linear(width, queries, config.attention_bias, dtype);
  key = placeholder_linear(width, keys, config.attention_bias, dtype);
  value = placeholder_linear(width, keys, config.attention_bias, dtype);
  output = placeholder_linear(queries, width, config.output_bias, dtype);
}

at::Tensor Attention::forward(const at::Tensor& x, const LayerInput& input) const {
  return output.forward(mixer.forward(query.forward(x), key.forward(x), value.forward(x), input));
}

void Attention::for_each_linear(const VisitLinear& visit) {
  visit("self_attn.q_proj", query);
  visit("self_attn.k_proj", key);
  visit("self_attn.v_proj", value);
  visit("self_attn.o_proj", output);
}

}  // namespace slmtune::models
