#include "models/blocks/packed_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>

namespace slmtune::models {
namespace {

// The CPU flash kernel takes [batch, heads, T, hd] with any strides but the last. With a key head
// as "batch" and its query heads as "heads", keys and values are shared by a stride of 0: grouped
// queries without a copy.
at::Tensor query_view(const at::Tensor& x, int64_t begin, int64_t end, int64_t kv_heads) {
  const int64_t group = x.size(1) / kv_heads;
  return x.slice(0, begin, end)
      .view({end - begin, kv_heads, group, x.size(2)})
      .permute({1, 2, 0, 3});
}

at::Tensor key_view(const at::Tensor& x, int64_t begin, int64_t end, int64_t group) {
  return x.slice(0, begin, end).permute({1, 0, 2}).unsqueeze(1).expand({-1, group, -1, -1});
}

// One autograd node for all rows: the graph stays small however many short rows a micro-batch
// packs.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q,
                            const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts) {
    const int64_t kv_heads = k.size(1), group = q.size(1) / kv_heads;
    at::Tensor out = at::empty_like(q);
    torch::autograd::variable_list saved = {q, k, v, out};
    for (size_t row = 0; row + 1 < starts.size(); ++row) {
      const int64_t begin = starts[row], end = starts[row + 1];
      auto [row_out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
          query_view(q, begin, end, kv_heads), key_view(k, begin, end, group),
          key_view(v, begin, end, group), 0.0, /*is_causal=*/true);
      query_view(out, begin, end, kv_heads).copy_(row_out);
      saved.push_back(log_sum);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["starts"] = starts;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto starts = context->saved_data["starts"].toIntVector();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3];
    const at::Tensor gradient = gradients[0].contiguous();
    const int64_t kv_heads = k.size(1), group = q.size(1) / kv_heads;
    at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    for (size_t row = 0; row + 1 < starts.size(); ++row) {
      const int64_t begin = starts[row], end = starts[row + 1];
      auto [row_dq, row_dk, row_dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
          query_view(gradient, begin, end, kv_heads), query_view(q, begin, end, kv_heads),
          key_view(k, begin, end, group), key_view(v, begin, end, group),
          query_view(out, begin, end, kv_heads), saved[4 + row], 0.0, /*is_causal=*/true);
      query_view(dq, begin, end, kv_heads).copy_(row_dq);
      dk.slice(0, begin, end).copy_(row_dk.sum(1).permute({1, 0, 2}));
      dv.slice(0, begin, end).copy_(row_dv.sum(1).permute({1, 0, 2}));
    }
    return {dq, dk, dv, at::Tensor()};
  }
};

at::Tensor attention_by_row(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts) {
  std::vector<at::Tensor> rows;
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    const auto part = [&](const at::Tensor& x) {
      return x.slice(0, starts[row], starts[row + 1]).transpose(0, 1).unsqueeze(0);
    };
    const at::Tensor out =
        at::scaled_dot_product_attention(part(q), part(k), part(v), {}, 0.0, /*is_causal=*/true,
                                         std::nullopt, /*enable_gqa=*/q.size(1) != k.size(1));
    rows.push_back(out.squeeze(0).transpose(0, 1));
  }
  return at::cat(rows);
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts) {
  if (q.is_cpu()) return PackedAttention::apply(q, k, v, starts);
  return attention_by_row(q, k, v, starts);
}

}  // namespace slmtune::models
