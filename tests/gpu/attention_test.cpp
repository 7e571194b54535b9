// Attention over packed rows: flash, efficient and own kernels, whichever serves the shape.
#include <numeric>

#include "models/blocks/packed_attention.h"
#include "tests/gpu/comparison.h"

namespace slmtune::gpu_tests {
namespace {

struct Heads {
  int64_t query, key, size;
};

std::vector<int64_t> starts_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> starts = {0};
  for (const int64_t length : lengths) starts.push_back(starts.back() + length);
  return starts;
}

// Output and the gradients of q, k and v, which are views of one matrix as in the models.
Tensors passes(Tensors in, const Heads& heads, const std::vector<int64_t>& starts,
               const models::AttentionOptions& options) {
  in[0].requires_grad_(true);
  const at::Tensor all = in[0].view({starts.back(), heads.query + 2 * heads.key, heads.size});
  const at::Tensor out =
      models::packed_attention(all.narrow(1, 0, heads.query), all.narrow(1, heads.query, heads.key),
                               all.narrow(1, heads.query + heads.key, heads.key), starts, options);
  out.backward(in[1]);
  return {out.detach(), in[0].grad()};
}

void compare_attention(const Heads& heads, const std::vector<int64_t>& lengths, int64_t window,
                       double soft_cap) {
  const std::vector<int64_t> starts = starts_of(lengths);
  const models::AttentionOptions options = {
      .scale = 1.0 / std::sqrt(static_cast<double>(heads.size)),
      .soft_cap = soft_cap,
      .window = window};
  for (const at::ScalarType dtype : kDtypes) {
    SCOPED_TRACE(std::to_string(heads.query) + "/" + std::to_string(heads.key) + " heads of " +
                 std::to_string(heads.size) + ", window " + std::to_string(window));
    compare(
        {fresh({starts.back(), (heads.query + 2 * heads.key) * heads.size}, dtype),
         fresh({starts.back(), heads.query, heads.size}, dtype)},
        [&](Tensors in) { return passes(std::move(in), heads, starts, options); }, kMixed);
  }
}

const std::vector<std::vector<int64_t>> kRows = {{1}, {200}, {7, 1, 130, 65}};

TEST(KernelAttention, IsTheCpusForEverySizeOfHead) {
  for (const Heads& heads : {Heads{4, 4, 64}, Heads{6, 2, 64}, Heads{4, 1, 128}, Heads{2, 2, 96},
                             Heads{4, 2, 256}, Heads{3, 1, 6}, Heads{2, 1, 80}})
    for (const auto& lengths : kRows) compare_attention(heads, lengths, 0, 0.0);
}

TEST(KernelAttention, SeesNoFurtherThanTheWindow) {
  for (const Heads& heads : {Heads{4, 2, 64}, Heads{2, 1, 128}, Heads{4, 2, 6}})
    for (const int64_t window : {1, 5, 64, 1000})
      compare_attention(heads, {7, 1, 130, 65}, window, 0.0);
}

TEST(KernelAttention, CapsScores) {
  for (const Heads& heads : {Heads{4, 2, 256}, Heads{2, 2, 128}, Heads{2, 1, 64}, Heads{2, 1, 6}})
    for (const int64_t window : {0, 33})
      for (const auto& lengths : kRows) compare_attention(heads, lengths, window, 2.0);
}

}  // namespace
}  // namespace slmtune::gpu_tests
