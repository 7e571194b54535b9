#include "kernels/attention/exact_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace slmtune::kernels {
namespace {

// Enough rows for the matrix kernels; few enough that a block's scores stay in the cache.
constexpr int64_t kQueriesAtOnce = 128;

// Queries begin … end-1 and the keys that any of them sees. Places count from the first key.
struct Stripe {
  int64_t begin, end, first_key, keys;
  int64_t queries() const { return end - begin; }
};

std::vector<Stripe> stripes_of(int64_t queries, int64_t keys, int64_t window) {
  std::vector<Stripe> blocks;
  const int64_t offset = keys - queries;
  for (int64_t begin = 0; begin < queries; begin += kQueriesAtOnce) {
    const int64_t end = std::min(begin + kQueriesAtOnce, queries);
    const int64_t first =
        window > 0 ? std::max<int64_t>(0, offset + begin - window + 1) : int64_t{0};
    blocks.push_back({begin, end, first, offset + end - first});
  }
  return blocks;
}

at::ScalarType score_type(const at::Tensor& q) {
  return q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// [T, H, hd] -> [K, group · block, hd]: the query heads of one key head below each other.
at::Tensor by_key_head(const at::Tensor& x, const Stripe& block, int64_t kv_heads) {
  const int64_t group = x.size(1) / kv_heads;
  return x.slice(0, block.begin, block.end)
      .reshape({block.queries(), kv_heads, group, x.size(2)})
      .permute({1, 2, 0, 3})
      .reshape({kv_heads, group * block.queries(), x.size(2)});
}

void put_by_key_head(at::Tensor& target, const Stripe& block, const at::Tensor& source) {
  const int64_t kv_heads = source.size(0), group = target.size(1) / kv_heads;
  target.slice(0, block.begin, block.end)
      .view({block.queries(), kv_heads, group, target.size(2)})
      .copy_(source.view({kv_heads, group, block.queries(), target.size(2)}).permute({2, 0, 1, 3}));
}

struct Mixing {
  at::Tensor weights;  // [K, group · block, keys] after softmax
  at::Tensor capped;   // tanh(s / c), undefined without a soft-cap
};

// Which keys [block, keys] a query must not see.
at::Tensor hidden_keys(const Stripe& block, int64_t offset, int64_t window, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor query =
      at::arange(offset + block.begin, offset + block.end, options).unsqueeze(1);
  const at::Tensor key =
      at::arange(block.first_key, block.first_key + block.keys, options).unsqueeze(0);
  const at::Tensor later = key > query;
  return window > 0 ? later.logical_or(key <= query - window) : later;
}

Mixing mixing_of(const at::Tensor& q, const at::Tensor& k, const Stripe& block, int64_t offset,
                 const AttentionOptions& options) {
  Mixing result;
  at::Tensor scores = q.bmm(k.transpose(1, 2)).to(score_type(q)).mul_(options.scale);
  if (options.soft_cap > 0.0) {
    result.capped = scores.div_(options.soft_cap).tanh_();
    scores = result.capped * options.soft_cap;
  }
  if (block.queries() > 1)  // a single query sees every key of its block
    scores.view({-1, block.queries(), block.keys})
        .masked_fill_(hidden_keys(block, offset, options.window, q.device()),
                      -std::numeric_limits<double>::infinity());
  result.weights = scores.softmax(-1);
  return result;
}

}  // namespace

at::Tensor exact_attention(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values,
                           const AttentionOptions& options) {
  const int64_t kv_heads = keys.size(0), offset = keys.size(1) - q.size(0);
  at::Tensor out = at::empty(q.sizes(), q.options());
  for (const Stripe& block : stripes_of(q.size(0), keys.size(1), options.window)) {
    const at::Tensor k = keys.narrow(1, block.first_key, block.keys);
    const at::Tensor v = values.narrow(1, block.first_key, block.keys);
    const Mixing mixed = mixing_of(by_key_head(q, block, kv_heads), k, block, offset, options);
    put_by_key_head(out, block, mixed.weights.to(q.scalar_type()).bmm(v));
  }
  return out;
}

ExactGradients exact_attention_backward(const at::Tensor& gradient, const at::Tensor& q,
                                        const at::Tensor& keys, const at::Tensor& values,
                                        const at::Tensor& out, const AttentionOptions& options) {
  const int64_t kv_heads = keys.size(0), offset = keys.size(1) - q.size(0);
  const auto wide = score_type(q);
  const at::ScalarType type = q.scalar_type();
  at::Tensor dq = at::empty(q.sizes(), q.options());
  at::Tensor dk = at::zeros(keys.sizes(), keys.options().dtype(wide));
  at::Tensor dv = at::zeros(values.sizes(), values.options().dtype(wide));
  for (const Stripe& block : stripes_of(q.size(0), keys.size(1), options.window)) {
    const at::Tensor k = keys.narrow(1, block.first_key, block.keys);
    const at::Tensor v = values.narrow(1, block.first_key, block.keys);
    const at::Tensor query = by_key_head(q, block, kv_heads);
    const at::Tensor dout = by_key_head(gradient, block, kv_heads);
    const Mixing mixed = mixing_of(query, k, block, offset, options);
    // dS = P ⊙ (dP − Σ dO ⊙ O), then through the soft-cap and the scale.
    const at::Tensor total =
        (dout.to(wide) * by_key_head(out, block, kv_heads).to(wide)).sum(-1, /*keepdim=*/true);
    at::Tensor ds = dout.bmm(v.transpose(1, 2)).to(wide).sub_(total).mul_(mixed.weights);
    if (mixed.capped.defined()) ds.mul_(1.0 - mixed.capped.square());
    ds = ds.mul_(options.scale).to(type);
    put_by_key_head(dq, block, ds.bmm(k));
    dk.narrow(1, block.first_key, block.keys).add_(ds.transpose(1, 2).bmm(query));
    dv.narrow(1, block.first_key, block.keys)
        .add_(mixed.weights.to(type).transpose(1, 2).bmm(dout));
  }
  return {dq, dk.to(type), dv.to(type)};
}

}  // namespace slmtune::kernels
