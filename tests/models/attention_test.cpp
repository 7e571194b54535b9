#include <ATen/ATen.h>

#include <gtest/gtest.h>

#include "kernels/attention/exact_attention.h"
#include "models/blocks/packed_attention.h"

namespace slmtune::models {
namespace {

struct Rows {
  at::Tensor q, k, v;
};

Rows random_rows(int64_t tokens, int64_t heads, int64_t kv_heads, at::ScalarType dtype,
                 int64_t width = 6) {
  at::manual_seed(9);
  return {at::randn({tokens, heads, width}, dtype), at::randn({tokens, kv_heads, width}, dtype),
          at::randn({tokens, kv_heads, width}, dtype)};
}

// The definition, for one row: the whole matrix of scores by plain operators.
at::Tensor by_definition(const Rows& x, const AttentionOptions& options) {
  const int64_t tokens = x.q.size(0), group = x.q.size(1) / x.k.size(1);
  const at::Tensor k = x.k.repeat_interleave(group, 1), v = x.v.repeat_interleave(group, 1);
  at::Tensor scores = at::einsum("qhd,khd->hqk", {x.q, k}) * options.scale;
  if (options.soft_cap > 0.0) scores = at::tanh(scores / options.soft_cap) * options.soft_cap;
  const at::Tensor place = at::arange(tokens, at::kLong);
  const at::Tensor distance = place.unsqueeze(1) - place.unsqueeze(0);
  at::Tensor hidden = distance < 0;
  if (options.window > 0) hidden = hidden.logical_or(distance >= options.window);
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {scores.softmax(-1), v});
}

const AttentionOptions kCases[] = {
    {.scale = 0.4},
    {.scale = 0.4, .window = 1},
    {.scale = 0.4, .window = 7},
    {.scale = 0.4, .window = 200},  // longer than a block of queries
    {.scale = 1.3, .soft_cap = 0.8},
    {.scale = 1.3, .soft_cap = 0.8, .window = 40},
};

TEST(PackedAttention, IsTheDefinitionWithWindowsAndSoftCaps) {
  for (const int64_t tokens : {1, 9, 300})
    for (const AttentionOptions& options : kCases) {
      const Rows x = random_rows(tokens, 6, 2, at::kDouble);
      EXPECT_TRUE(at::allclose(packed_attention(x.q, x.k, x.v, {0, tokens}, options),
                               by_definition(x, options), 1e-10, 1e-10))
          << tokens << " tokens, window " << options.window << ", cap " << options.soft_cap;
    }
}

TEST(PackedAttention, HasTheGradientsOfTheDefinition) {
  for (const AttentionOptions& options : kCases) {
    Rows ours = random_rows(150, 4, 2, at::kDouble), theirs = random_rows(150, 4, 2, at::kDouble);
    for (at::Tensor* tensor : {&ours.q, &ours.k, &ours.v, &theirs.q, &theirs.k, &theirs.v})
      tensor->set_requires_grad(true);
    const at::Tensor seed = at::randn(ours.q.sizes(), at::kDouble);
    packed_attention(ours.q, ours.k, ours.v, {0, 150}, options).backward(seed);
    by_definition(theirs, options).backward(seed);
    EXPECT_TRUE(at::allclose(ours.q.grad(), theirs.q.grad(), 1e-9, 1e-9)) << options.window;
    EXPECT_TRUE(at::allclose(ours.k.grad(), theirs.k.grad(), 1e-9, 1e-9)) << options.window;
    EXPECT_TRUE(at::allclose(ours.v.grad(), theirs.v.grad(), 1e-9, 1e-9)) << options.window;
  }
}

TEST(PackedAttention, MixesShortAndLongRowsOfAWindow) {
  const AttentionOptions options{.scale = 0.4, .window = 5};
  const Rows x = random_rows(20, 2, 1, at::kDouble);
  const at::Tensor together = packed_attention(x.q, x.k, x.v, {0, 4, 17, 20}, options);
  for (const auto& [begin, end] : {std::pair{0, 4}, std::pair{4, 17}, std::pair{17, 20}}) {
    const auto part = [begin = begin, end = end](const at::Tensor& t) {
      return t.slice(0, begin, end);
    };
    const Rows row{part(x.q), part(x.k), part(x.v)};
    EXPECT_TRUE(at::allclose(part(together), by_definition(row, options), 1e-10, 1e-10));
  }
}

TEST(ExactAttention, ContinuesEarlierKeys) {
  const AttentionOptions options{.scale = 0.4, .soft_cap = 1.5, .window = 6};
  const Rows x = random_rows(30, 4, 2, at::kDouble);
  const at::Tensor whole = by_definition(x, options);
  const at::Tensor keys = x.k.transpose(0, 1), values = x.v.transpose(0, 1);
  for (const int64_t last : {1, 3, 29}) {
    const at::Tensor end = kernels::exact_attention(x.q.slice(0, 30 - last), keys, values, options);
    EXPECT_TRUE(at::allclose(end, whole.slice(0, 30 - last), 1e-10, 1e-10)) << last;
  }
}

TEST(ExactAttention, KeepsTheSoftmaxInFloat32ForLowerTypes) {
  const AttentionOptions options{.scale = 0.4, .soft_cap = 2.0, .window = 9};
  const Rows low = random_rows(40, 2, 2, at::kBFloat16);
  const Rows high{low.q.to(at::kFloat), low.k.to(at::kFloat), low.v.to(at::kFloat)};
  const at::Tensor out = packed_attention(low.q, low.k, low.v, {0, 40}, options);
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(out.to(at::kFloat), by_definition(high, options), 0.02, 0.02));
}

}  // namespace
}  // namespace slmtune::models
