#include "models/blocks/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "kernels/attention/exact_attention.h"
#include "kernels/rope/rope.h"
#include "models/blocks/placeholder.h"

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
                            const kernels::AttentionOptions& options) {
  if (q.size(0) > 1 || options.soft_cap > 0.0)
    return kernels::exact_attention(q, keys, values, options);
  // One token sees the whole window: no mask. The query heads of one key head are its "tokens".
  const int64_t seen = options.window > 0 ? std::min(options.window, keys.size(1)) : keys.size(1);
  const int64_t first = keys.size(1) - seen, kv_heads = keys.size(0);
  const at::Tensor k = keys.narrow(1, first, seen), v = values.narrow(1, first, seen);
  const at::Tensor out = at::scaled_dot_product_attention(
      q.view({1, kv_heads, q.size(1) / kv_heads, q.size(2)}), k.unsqueeze(0), v.unsqueeze(0), {},
      0.0, /*is_causal=*/false, options.scale);
  return out.reshape({1, q.size(1), q.size(2)});
}

// q and k of `heads`, in place.
void turn(Parts heads, const Rotation& rotation, kernels::Turn direction) {
  kernels::rotate_both_in_place(heads[0], heads[1], rotation.cos, rotation.sin, direction);
}

}  // namespace

AttentionMixer::AttentionMixer(const ModelConfig& config, size_t layer)
    : heads_(config.heads),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      options_{.scale = config.attention_scale,
               .soft_cap = config.attention_soft_cap,
               .window = config.windows[layer]} {}

std::vector<int64_t> AttentionMixer::widths() const {
  return {heads_ * head_dim_, kv_heads_ * head_dim_, kv_heads_ * head_dim_};
}

Parts AttentionMixer::by_head(const Parts& parts) const {
  const auto view = [&](const at::Tensor& part, int64_t heads) {
    return part.defined() ? part.view({part.size(0), heads, head_dim_}) : part;
  };
  return {view(parts[0], heads_), view(parts[1], kv_heads_), view(parts[2], kv_heads_)};
}

at::Tensor AttentionMixer::forward(const Parts& parts, const LayerInput& input) const {
  const Parts x = by_head(parts);
  const int64_t tokens = x[0].size(0);
  const at::Tensor q = rotate(x[0], input.rotation), k = rotate(x[1], input.rotation);
  const at::Tensor& v = x[2];
  at::Tensor mixed;
  if (input.cache == nullptr) {
    mixed = packed_attention(q, k, v, input.layout.rows(), options_);
  } else {
    KvCache& cache = *input.cache;
    const at::Tensor keys = append(cache.keys[input.layer], cache.length, k);
    const at::Tensor values = append(cache.values[input.layer], cache.length, v);
    const bool fresh = cache.length == 0 && tokens > 1;
    mixed = fresh ? packed_attention(q, k, v, input.layout.rows(), options_)
                  : cached_attention(q, keys, values, options_);
  }
  return mixed.reshape({tokens, heads_ * head_dim_});
}

void AttentionMixer::prepare(Parts& parts, const PackedRows& rows) const {
  turn(by_head(parts), rows.rotation, kernels::Turn::kForward);
}

Mixer::Mixed AttentionMixer::mix(const Parts& parts, const PackedRows& rows) const {
  const Parts x = by_head(parts);
  kernels::Attended made = kernels::attention_forward(x[0], x[1], x[2], rows.rows, options_);
  Mixed mixed{made.out.view({made.out.size(0), heads_ * head_dim_}), {made.out, made.log_sum}};
  std::move(made.extra.begin(), made.extra.end(), std::back_inserter(mixed.kept));
  return mixed;
}

at::Tensor AttentionMixer::backward(at::Tensor gradient, const Parts& parts,
                                    const std::vector<at::Tensor>& kept, const PackedRows& rows,
                                    Parts& gradients) const {
  const kernels::Attended attended{kept[0], kept[1], {kept.begin() + 2, kept.end()}};
  const Parts x = by_head(parts);
  Parts made = by_head(gradients);
  kernels::attention_backward(gradient.view(kept[0].sizes()), x[0], x[1], x[2], attended, rows.rows,
                              options_, made[0], made[1], made[2]);
  turn(made, rows.rotation, kernels::Turn::kBack);
  for (size_t i = 0; i < made.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = made[i].view(parts[i].sizes());
  return kept[0].view(gradient.sizes());
}

Half attention_half(const ModelConfig& config, size_t layer, at::ScalarType dtype) {
  const int64_t width = config.hidden_size, queries = config.heads * config.head_dim;
  const int64_t keys = config.kv_heads * config.head_dim;
  Half half;
  half.before = placeholder_norm("input_layernorm.weight", config, dtype);
  const auto add = [&](const char* name, int64_t out) {
    half.inputs.push_back({name, placeholder_linear(width, out, config.attention_bias, dtype)});
  };
  add("self_attn.q_proj", queries);
  add("self_attn.k_proj", keys);
  add("self_attn.v_proj", keys);
  half.mixer = std::make_unique<AttentionMixer>(config, layer);
  half.output = {"self_attn.o_proj", placeholder_linear(queries, width, config.output_bias, dtype)};
  return half;
}

}  // namespace slmtune::models
