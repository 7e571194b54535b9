#include "models/blocks/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "models/blocks/packed_attention.h"

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
at::Tensor cached_attention(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values) {
  const int64_t tokens = q.size(0), kv_heads = keys.size(0), group = q.size(1) / kv_heads;
  const int64_t total = keys.size(1), head_dim = q.size(2);
  const at::Tensor k = keys.unsqueeze(0), v = values.unsqueeze(0);
  if (tokens == 1) {  // the query heads of one key head are the "tokens" of a call without a mask
    const at::Tensor out = at::scaled_dot_product_attention(q.view({1, kv_heads, group, head_dim}),
                                                            k, v, {}, 0.0, /*is_causal=*/false);
    return out.reshape({1, q.size(1), head_dim});
  }
  const at::Tensor visible =
      at::ones({tokens, total}, q.options().dtype(at::kBool)).tril(total - tokens);
  const at::Tensor out =
      at::scaled_dot_product_attention(q.transpose(0, 1).unsqueeze(0), k, v, visible, 0.0,
                                       /*is_causal=*/false, std::nullopt, /*enable_gqa=*/group > 1);
  return out.squeeze(0).transpose(0, 1);
}

}  // namespace

at::Tensor Attention::forward(const at::Tensor& x, const Rotation& rotation, const Layout& layout,
                              KvCache* cache, size_t layer) const {
  const int64_t tokens = x.size(0);
  const at::Tensor q = rotate(query.forward(x).view({tokens, heads, head_dim}), rotation);
  const at::Tensor k = rotate(key.forward(x).view({tokens, kv_heads, head_dim}), rotation);
  const at::Tensor v = value.forward(x).view({tokens, kv_heads, head_dim});
  at::Tensor mixed;
  if (cache == nullptr) {
    mixed = packed_attention(q, k, v, layout.starts);
  } else {
    const at::Tensor keys = append(cache->keys[layer], cache->length, k);
    const at::Tensor values = append(cache->values[layer], cache->length, v);
    const bool fresh = cache->length == 0 && tokens > 1;
    mixed = fresh ? packed_attention(q, k, v, {0, tokens}) : cached_attention(q, keys, values);
  }
  return output.forward(mixed.reshape({tokens, heads * head_dim}));
}

}  // namespace slmtune::models
