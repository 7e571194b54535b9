#include "models/blocks/packed_attention.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace slmtune::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void keep(AutogradContext& context, const kernels::RowStarts& rows,
          const AttentionOptions& options) {
  context.saved_data["starts"] = rows.starts;
  context.saved_data["longest"] = rows.longest;
  context.saved_data["scale"] = options.scale;
  context.saved_data["soft_cap"] = options.soft_cap;
  context.saved_data["window"] = options.window;
}

AttentionOptions kept_options(AutogradContext& context) {
  return {.scale = context.saved_data["scale"].toDouble(),
          .soft_cap = context.saved_data["soft_cap"].toDouble(),
          .window = context.saved_data["window"].toInt()};
}

kernels::RowStarts kept_rows(AutogradContext& context, const at::Tensor& offsets) {
  kernels::RowStarts rows = context.saved_data["starts"].toIntVector();
  rows.longest = context.saved_data["longest"].toInt();
  rows.offsets = offsets;
  return rows;
}

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const kernels::RowStarts& rows,
                            const AttentionOptions& options) {
    const kernels::Attended made = kernels::attention_forward(q, k, v, rows, options);
    variable_list saved = {q, k, v, rows.offsets, made.out, made.log_sum};
    saved.insert(saved.end(), made.extra.begin(), made.extra.end());
    context->save_for_backward(std::move(saved));
    keep(*context, rows, options);
    return made.out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    at::Tensor dq, dk, dv;
    kernels::attention_backward(gradients[0], saved[0], saved[1], saved[2],
                                {saved[4], saved[5], {saved.begin() + 6, saved.end()}},
                                kept_rows(*context, saved[3]), kept_options(*context), dq, dk, dv);
    return {dq, dk, dv, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const kernels::RowStarts& rows, const AttentionOptions& options) {
  return PackedAttention::apply(q, k, v, rows.on(q.device()), options);
}

}  // namespace slmtune::models
