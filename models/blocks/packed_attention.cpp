#include "models/blocks/packed_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/blocks/exact_attention.h"

namespace slmtune::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void keep(AutogradContext& context, const AttentionOptions& options) {
  context.saved_data["scale"] = options.scale;
  context.saved_data["soft_cap"] = options.soft_cap;
  context.saved_data["window"] = options.window;
}

AttentionOptions kept_options(AutogradContext& context) {
  return {.scale = context.saved_data["scale"].toDouble(),
          .soft_cap = context.saved_data["soft_cap"].toDouble(),
          .window = context.saved_data["window"].toInt()};
}

// One autograd node for all rows: the graph stays small however many short rows a micro-batch
// packs.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const std::vector<int64_t>& starts,
                            const AttentionOptions& options) {
    const auto [out, log_sum] = kernels::attention_forward(q, k, v, starts, options);
    context->save_for_backward({q, k, v, out, log_sum});
    context->saved_data["starts"] = starts;
    keep(*context, options);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2];
    at::Tensor dq = at::empty(q.sizes(), q.options()), dk = at::empty(k.sizes(), k.options()),
               dv = at::empty(v.sizes(), v.options());
    kernels::attention_backward(gradients[0], q, k, v, {saved[3], saved[4]},
                                context->saved_data["starts"].toIntVector(), kept_options(*context),
                                dq, dk, dv);
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

// exact_attention of one row, [T, heads, hd] each.
struct ExactRow : torch::autograd::Function<ExactRow> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const AttentionOptions& options) {
    const at::Tensor out = exact_attention(q, k.transpose(0, 1), v.transpose(0, 1), options);
    context->save_for_backward({q, k, v, out});
    keep(*context, options);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const AttentionGradients made =
        exact_attention_backward(gradients[0], saved[0], saved[1].transpose(0, 1),
                                 saved[2].transpose(0, 1), saved[3], kept_options(*context));
    return {made.q, made.keys.transpose(0, 1), made.values.transpose(0, 1), at::Tensor()};
  }
};

bool needs_exact(int64_t tokens, const AttentionOptions& options) {
  return options.soft_cap > 0.0 || (options.window > 0 && options.window < tokens);
}

at::Tensor attention_by_row(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<int64_t>& starts, const AttentionOptions& options) {
  std::vector<at::Tensor> rows;
  for (size_t row = 0; row + 1 < starts.size(); ++row) {
    const auto part = [&](const at::Tensor& x) { return x.slice(0, starts[row], starts[row + 1]); };
    if (needs_exact(starts[row + 1] - starts[row], options)) {
      rows.push_back(ExactRow::apply(part(q), part(k), part(v), options));
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
