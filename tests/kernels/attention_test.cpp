#include "kernels/attention/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <vector>

#include "core/error.h"
#include "kernels/attention/attention_cpu.h"

namespace slmtune::kernels {
namespace {

struct Tolerance {
  at::ScalarType dtype;
  double relative;  // of the largest value
};
// bfloat16 is read and written rounded, and so are the softmax's weights where it is multiplied;
// between that the arithmetic is float32.
constexpr Tolerance kTolerances[] = {
    {at::kFloat, 2e-6}, {at::kBFloat16, 8e-3}, {at::kDouble, 1e-12}};

struct Inputs {
  at::Tensor q, k, v, grad;
};

Inputs random_inputs(int64_t tokens, int64_t heads, int64_t key_heads, int64_t width,
                     at::ScalarType dtype) {
  const auto numbers = [&](int64_t count) {
    return at::randn({tokens, count, width}, at::kDouble).to(dtype);
  };
  return {numbers(heads), numbers(key_heads), numbers(key_heads), numbers(heads)};
}

at::Tensor wide(const at::Tensor& x) {
  return x.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
}

// The definition, for one row: the whole matrix of scores by plain operators.
at::Tensor by_definition(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                         const AttentionOptions& options) {
  const int64_t tokens = q.size(0), group = q.size(1) / k.size(1);
  at::Tensor scores =
      at::einsum("qhd,khd->hqk", {q, k.repeat_interleave(group, 1)}) * options.scale;
  if (options.soft_cap > 0.0) scores = at::tanh(scores / options.soft_cap) * options.soft_cap;
  const at::Tensor place = at::arange(tokens, at::kLong);
  const at::Tensor distance = place.unsqueeze(1) - place.unsqueeze(0);
  at::Tensor hidden = distance < 0;
  if (options.window > 0) hidden = hidden.logical_or(distance >= options.window);
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {scores.softmax(-1), v.repeat_interleave(group, 1)});
}

struct Results {
  at::Tensor out, dq, dk, dv;
  std::vector<at::Tensor> all() const { return {out, dq, dk, dv}; }
};

Results expected(const Inputs& in, const std::vector<int64_t>& starts,
                 const AttentionOptions& options) {
  at::Tensor q = wide(in.q).requires_grad_(true), k = wide(in.k).requires_grad_(true),
             v = wide(in.v).requires_grad_(true);
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i + 1 < starts.size(); ++i)
    rows.push_back(by_definition(q.slice(0, starts[i], starts[i + 1]),
                                 k.slice(0, starts[i], starts[i + 1]),
                                 v.slice(0, starts[i], starts[i + 1]), options));
  const at::Tensor out = at::cat(rows);
  const auto gradients = torch::autograd::grad({out}, {q, k, v}, {wide(in.grad)});
  return {out.detach(), gradients[0], gradients[1], gradients[2]};
}

Results ours(const Inputs& in, const std::vector<int64_t>& starts,
             const AttentionOptions& options) {
  const Attended attended = attention_forward(in.q, in.k, in.v, starts, options);
  Results results{attended.out, at::empty_like(in.q), at::empty_like(in.k), at::empty_like(in.v)};
  attention_backward(in.grad, in.q, in.k, in.v, attended, starts, options, results.dq, results.dk,
                     results.dv);
  return results;
}

void expect_close(const Results& actual, const Results& exact, double relative) {
  for (size_t i = 0; i < 4; ++i) {
    const at::Tensor x = actual.all()[i], y = exact.all()[i];
    EXPECT_LE((wide(x) - y).abs().max().item<double>(),
              relative * (1.0 + y.abs().max().item<double>()))
        << i;
  }
}

const AttentionOptions kCases[] = {
    {.scale = 0.4},
    {.scale = 0.4, .window = 1},
    {.scale = 0.4, .window = 7},
    {.scale = 0.4, .window = 90},  // longer than a block of queries
    {.scale = 1.3, .soft_cap = 0.8},
    {.scale = 1.3, .soft_cap = 5.0, .window = 40},
};

TEST(AttentionKernel, IsTheDefinitionForEveryOptionAndType) {
  at::manual_seed(1);
  for (const auto& [dtype, relative] : kTolerances)
    for (const AttentionOptions& options : kCases) {
      const Inputs in = random_inputs(150, 4, 2, 6, dtype);
      const std::vector<int64_t> whole = {0, 150};
      expect_close(ours(in, whole, options), expected(in, whole, options), 4 * relative);
    }
}

TEST(AttentionKernel, KeepsPackedRowsApart) {
  at::manual_seed(2);
  const std::vector<int64_t> starts = {0, 1, 1, 65, 129, 131, 200};  // one row is empty
  for (const auto& [dtype, relative] : kTolerances)
    for (const int64_t key_heads : {1, 3, 6}) {
      const Inputs in = random_inputs(200, 6, key_heads, 33, dtype);
      expect_close(ours(in, starts, {.scale = 0.2}), expected(in, starts, {.scale = 0.2}),
                   4 * relative);
    }
}

// Longer than any block, by an odd number of tokens.
TEST(AttentionKernel, IsTheDefinitionOverSeveralBlocks) {
  at::manual_seed(7);
  const std::vector<int64_t> starts = {0, 61, 662};
  for (const auto& [dtype, relative] : kTolerances) {
    const Inputs in = random_inputs(662, 3, 1, 20, dtype);
    for (const int64_t window : {0, 31, 300})
      expect_close(ours(in, starts, {.scale = 0.2, .window = window}),
                   expected(in, starts, {.scale = 0.2, .window = window}), 4 * relative);
  }
}

// On every machine: one that multiplies bfloat16 otherwise never widens it.
TEST(AttentionKernel, WidensBFloat16WhereItIsNotMultiplied) {
  at::manual_seed(6);
  const std::vector<int64_t> starts = {0, 70, 71, 160};
  const AttentionOptions options{.scale = 0.3, .window = 50};
  const Inputs in = random_inputs(160, 4, 2, 17, at::kBFloat16);
  Results widened{{}, at::empty_like(in.q), at::empty_like(in.k), at::empty_like(in.v)};
  const Attended attended = attention_forward_cpu(in.q, in.k, in.v, starts, options, false);
  attention_backward_cpu(in.grad, in.q, in.k, in.v, attended, starts, options, widened.dq,
                         widened.dk, widened.dv, false);
  widened.out = attended.out;
  // Only what is read and written is rounded.
  expect_close(widened, expected(in, starts, options), 8e-3);
}

// q, k and v inside one matrix, gradients into another.
TEST(AttentionKernel, ReadsAndWritesViewsOfOneMatrix) {
  at::manual_seed(3);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Inputs in = random_inputs(70, 4, 2, 16, dtype);
    const auto flat = [](const at::Tensor& x) { return x.reshape({x.size(0), -1}); };
    const at::Tensor qkv = at::cat({flat(in.q), flat(in.k), flat(in.v)}, 1);
    const at::Tensor gradients = at::empty_like(qkv);
    const auto part = [](const at::Tensor& x, int64_t begin, int64_t heads) {
      return x.narrow(1, begin, heads * 16).view({70, heads, 16});
    };
    const Inputs views{part(qkv, 0, 4), part(qkv, 64, 2), part(qkv, 96, 2), in.grad};
    const std::vector<int64_t> starts = {0, 20, 70};
    const Results apart = ours(in, starts, {.scale = 0.3});
    Results inside{attention_forward(views.q, views.k, views.v, starts, {.scale = 0.3}).out,
                   part(gradients, 0, 4), part(gradients, 64, 2), part(gradients, 96, 2)};
    const Attended attended = attention_forward(views.q, views.k, views.v, starts, {.scale = 0.3});
    attention_backward(views.grad, views.q, views.k, views.v, attended, starts, {.scale = 0.3},
                       inside.dq, inside.dk, inside.dv);
    expect_close(inside, {wide(apart.out), wide(apart.dq), wide(apart.dk), wide(apart.dv)},
                 dtype == at::kFloat ? 1e-6 : 8e-3);
  }
}

TEST(AttentionKernel, LogSumsAreThoseOfTheScores) {
  at::manual_seed(4);
  const Inputs in = random_inputs(80, 2, 1, 8, at::kFloat);
  const at::Tensor sums = attention_forward(in.q, in.k, in.v, {0, 80}, {.scale = 0.5}).log_sum;
  const at::Tensor scores = at::einsum("qhd,kd->hqk", {wide(in.q), wide(in.k).squeeze(1)}) * 0.5;
  const at::Tensor hidden = at::ones({80, 80}, at::kBool).triu(1);
  const at::Tensor exact =
      at::logsumexp(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), {-1});
  EXPECT_EQ(sums.sizes(), at::IntArrayRef({2, 80}));
  EXPECT_LT((wide(sums) - exact).abs().max().item<double>(), 1e-5);
}

TEST(AttentionKernel, NaNReachesOnlyTheQueriesThatSeeIt) {
  Inputs in = random_inputs(40, 2, 2, 8, at::kFloat);
  in.v[25] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor out = attention_forward(in.q, in.k, in.v, {0, 30, 40}, {.scale = 0.3}).out;
  EXPECT_TRUE(out.slice(0, 25, 30).isnan().all().item<bool>());
  EXPECT_TRUE(out.slice(0, 30, 40).isfinite().all().item<bool>());
}

TEST(AttentionKernel, SameBitsForAnyThreadCount) {
  at::manual_seed(5);
  const int threads = at::get_num_threads();
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Inputs in = random_inputs(300, 6, 2, 32, dtype);
    std::vector<Results> results;
    for (const int count : {1, 3}) {
      at::set_num_threads(count);
      results.push_back(ours(in, {0, 120, 300}, {.scale = 0.2}));
    }
    at::set_num_threads(threads);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_TRUE(at::equal(results[0].all()[i], results[1].all()[i])) << i;
  }
}

TEST(AttentionKernel, RowsThatDoNotCoverTheTokensAreOurBug) {
  const Inputs in = random_inputs(8, 4, 2, 4, at::kFloat);
  EXPECT_THROW(attention_forward(in.q, in.k, in.v, {0, 7}, {}), InternalError);
  EXPECT_THROW(attention_forward(in.q, in.k, in.v, {0, 5, 3, 8}, {}), InternalError);
  EXPECT_THROW(attention_forward(in.q, in.k.narrow(1, 0, 1), in.v, {0, 8}, {}), InternalError);
}

}  // namespace
}  // namespace slmtune::kernels
