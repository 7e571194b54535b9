#include "models/blocks/packed_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>

#include "models/blocks/exact_attention.h"

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

bool needs_exact(int64_t tokens, const AttentionOptions& options) {
  return options.soft_cap > 0.0 || (options.window > 0 && options.window < tokens);
}

// Rows of x as [K, tokens, hd].
at::Tensor by_head(const at::Tensor& x, int64_t begin, int64_t end) {
  return x.slice(0, begin, end).transpose(0, 1);
}

// One autograd node for all rows: the graph stays small however many short rows a micro-batch
// packs. Rows of the fused kernel must lie on the CPU.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& q,
                            const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options) {
    const int64_t kv_heads = k.size(1), group = q.size(1) / kv_heads;
    at::Tensor out = at::empty_like(q);
    torch::autograd::variable_list saved = {q, k, v, out};
    for (size_t row = 0; row + 1 < starts.size(); ++row) {
      const int64_t begin = starts[row], end = starts[row + 1];
      if (needs_exact(end - begin, options)) {
        out.slice(0, begin, end)
            .copy_(exact_attention(q.slice(0, begin, end), by_head(k, begin, end),
                                   by_head(v, begin, end), options));
        saved.emplace_back();
        continue;
      }
      auto [row_out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
          query_view(q, begin, end, kv_heads), key_view(k, begin, end, group),
          key_view(v, begin, end, group), 0.0, /*is_causal=*/true, {}, options.scale);
      query_view(out, begin, end, kv_heads).copy_(row_out);
      saved.push_back(log_sum);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["starts"] = starts;
    context->saved_data["scale"] = options.scale;
    context->saved_data["soft_cap"] = options.soft_cap;
    context->saved_data["window"] = options.window;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto starts = context->saved_data["starts"].toIntVector();
    const AttentionOptions options{.scale = context->saved_data["scale"].toDouble(),
                                   .soft_cap = context->saved_data["soft_cap"].toDouble(),
                                   .window = context->saved_data["window"].toInt()};
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor dq = at::empty_like(saved[0]), dk = at::empty_like(saved[1]),
               dv = at::empty_like(saved[2]);
    for (size_t row = 0; row + 1 < starts.size(); ++row) {
      const Row part{starts[row], starts[row + 1]};
      if (needs_exact(part.end - part.begin, options)) {
        exact_row(part, gradient, saved, options, dq, dk, dv);
      } else {
        fused_row(part, gradient, saved, saved[4 + row], options.scale, dq, dk, dv);
      }
    }
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }

 private:
  struct Row {
    int64_t begin, end;
  };
  using Saved = torch::autograd::variable_list;  // q, k, v, out, then one log-sum per row

  static void exact_row(Row row, const at::Tensor& gradient, const Saved& saved,
                        const AttentionOptions& options, at::Tensor& dq, at::Tensor& dk,
                        at::Tensor& dv) {
    const auto [begin, end] = row;
    const AttentionGradients made = exact_attention_backward(
        gradient.slice(0, begin, end), saved[0].slice(0, begin, end), by_head(saved[1], begin, end),
        by_head(saved[2], begin, end), saved[3].slice(0, begin, end), options);
    dq.slice(0, begin, end).copy_(made.q);
    by_head(dk, begin, end).copy_(made.keys);
    by_head(dv, begin, end).copy_(made.values);
  }

  static void fused_row(Row row, const at::Tensor& gradient, const Saved& saved,
                        const at::Tensor& log_sum, double scale, at::Tensor& dq, at::Tensor& dk,
                        at::Tensor& dv) {
    const auto [begin, end] = row;
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3];
    const int64_t kv_heads = k.size(1), group = q.size(1) / kv_heads;
    auto [row_dq, row_dk, row_dv] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        query_view(gradient, begin, end, kv_heads), query_view(q, begin, end, kv_heads),
        key_view(k, begin, end, group), key_view(v, begin, end, group),
        query_view(out, begin, end, kv_heads), log_sum, 0.0, /*is_causal=*/true, {}, scale);
    query_view(dq, begin, end, kv_heads).copy_(row_dq);
    dk.slice(0, begin, end).copy_(row_dk.sum(1).permute({1, 0, 2}));
    dv.slice(0, begin, end).copy_(row_dv.sum(1).permute({1, 0, 2}));
  }
};

at::Tensor attention_by_row(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options) {
  std::vector<at::Tensor> rows;
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    const auto part = [&](const at::Tensor& x) { return x.slice(0, starts[row], starts[row + 1]); };
    const int64_t tokens = starts[row + 1] - starts[row];
    if (needs_exact(tokens, options)) {
      rows.push_back(PackedAttention::apply(part(q), part(k), part(v),
                                            std::vector<int64_t>{0, tokens}, options));
      continue;
    }
    const auto heads_first = [&](const at::Tensor& x) {
      return part(x).transpose(0, 1).unsqueeze(0);
    };
    const at::Tensor out = at::scaled_dot_product_attention(
        heads_first(q), heads_first(k), heads_first(v), {}, 0.0, /*is_causal=*/true, options.scale,
        /*enable_gqa=*/q.size(1) != k.size(1));
    rows.push_back(out.squeeze(0).transpose(0, 1));
  }
  return at::cat(rows);
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options) {
  if (q.is_cpu()) return PackedAttention::apply(q, k, v, starts, options);
  return attention_by_row(q, k, v, starts, options);
}

}  // namespace slmtune::models
