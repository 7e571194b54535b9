#include "train/loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "kernels/attention/row_starts.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/matmul/product.h"
#include "kernels/matmul/table.h"
#include "train/logit_rows.h"

namespace slmtune::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the logits of a micro-batch are made of, beside its hidden rows.
struct LossInput {
  models::Head head;
  at::Tensor targets;  // [N]
  int64_t chunk;       // most rows of logits at a time
  bool sums;           // the caller adds the losses up: their gradients will be one number
};

// Calls body(logits [n, V], first row, n) chunk after chunk; the logits are not capped yet and
// become what the body likes.
template <typename Body>
void over_chunks(const at::Tensor& rows, const LossInput& input, const Body& body) {
  const at::NoGradGuard no_graph;
  const at::Tensor& weight = input.head.weight;
  const int64_t step = logit_rows(rows.size(0), input.chunk, weight.size(0),
                                  static_cast<int64_t>(rows.element_size()), rows.is_cpu());
  const at::Tensor buffer = at::empty({step, weight.size(0)}, rows.options());
  for (int64_t first = 0; first < rows.size(0); first += step) {
    const int64_t count = std::min(step, rows.size(0) - first);
    at::Tensor logits = buffer.narrow(0, 0, count);
    kernels::table_scores(rows.narrow(0, first, count), weight, logits);
    body(logits, first, count);
  }
}

at::Tensor empty_losses(const at::Tensor& rows) {
  const bool is_double = rows.scalar_type() == at::kDouble;
  return at::empty({rows.size(0)}, rows.options().dtype(is_double ? at::kDouble : at::kFloat));
}

at::Tensor losses_alone(const at::Tensor& rows, const LossInput& input) {
  const at::Tensor losses = empty_losses(rows);
  over_chunks(rows, input, [&](at::Tensor& logits, int64_t first, int64_t count) {
    losses.narrow(0, first, count)
        .copy_(kernels::cross_entropy(logits, input.targets.narrow(0, first, count),
                                      input.head.soft_cap));
  });
  return losses;
}

// Losses and their gradients. `weigh` may change the gradient of a chunk's logits before use.
struct LossGradients {
  at::Tensor losses, rows, weight;  // [N], [N, D], [V, D] when the head trains
};

template <typename Weigh>
LossGradients with_gradients(const at::Tensor& rows, const LossInput& input, bool with_weight,
                             const Weigh& weigh) {
  const at::Tensor& weight = input.head.weight;
  LossGradients result{empty_losses(rows), at::empty_like(rows), {}};
  if (with_weight) result.weight = at::zeros_like(weight);
  over_chunks(rows, input, [&](at::Tensor& logits, int64_t first, int64_t count) {
    result.losses.narrow(0, first, count)
        .copy_(kernels::cross_entropy_in_place(logits, input.targets.narrow(0, first, count),
                                               input.head.soft_cap));
    weigh(logits, first, count);
    at::Tensor gradient = result.rows.narrow(0, first, count);
    kernels::table_mix(logits, weight, gradient);
    if (with_weight) kernels::add_product(result.weight, logits.t(), rows.narrow(0, first, count));
  });
  return result;
}

// x · factor, computed in the wider type and rounded once to x's.
at::Tensor times(const at::Tensor& x, const at::Tensor& factor) {
  at::Tensor out = at::empty_like(x);
  return at::mul_out(out, x, factor);
}

// Hidden rows [N, D] and head [V, D] in, losses [N] out. Unless a head trains whose rows may get
// different gradients, the forward pass already makes the gradients of a sum and the backward pass
// only weighs them.
class ChunkedCrossEntropy : public torch::autograd::Function<ChunkedCrossEntropy> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& weight, const LossInput& input) {
    const bool with_weight = weight.requires_grad();
    context->saved_data["again"] = with_weight && !input.sums;
    if (with_weight && !input.sums) {
      context->save_for_backward({rows, weight, input.targets});
      context->saved_data["chunk"] = input.chunk;
      context->saved_data["soft_cap"] = input.head.soft_cap;
      return losses_alone(rows, input);
    }
    LossGradients made = with_gradients(rows, input, with_weight, [](auto&&...) {});
    context->save_for_backward({made.rows, made.weight});
    return made.losses;
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    const variable_list saved = context->get_saved_variables();
    if (context->saved_data["again"].toBool()) return made_again(context, saved, incoming[0]);
    at::Tensor weight;
    if (saved[1].defined()) weight = times(saved[1], incoming[0][0]);
    return {times(saved[0], incoming[0].unsqueeze(1)), weight, at::Tensor()};
  }

 private:
  static variable_list made_again(AutogradContext* context, const variable_list& saved,
                                  const at::Tensor& incoming) {
    const LossInput input{{saved[1], context->saved_data["soft_cap"].toDouble()},
                          saved[2],
                          context->saved_data["chunk"].toInt(),
                          false};
    LossGradients made = with_gradients(
        saved[0], input, true, [&](at::Tensor& logits, int64_t first, int64_t count) {
          logits.mul_(incoming.narrow(0, first, count).unsqueeze(1).to(logits.scalar_type()));
        });
    return {made.rows, made.weight, at::Tensor()};
  }
};

at::Tensor losses_of(models::CausalLM& model, const BatchTensors& batch, int64_t chunk, bool sums) {
  const at::Tensor rows = model.hidden(batch.ids, batch.layout).index_select(0, batch.label_rows);
  const LossInput input{model.head(), batch.targets, chunk, sums};
  const bool needs_gradient =
      at::GradMode::is_enabled() && (rows.requires_grad() || input.head.weight.requires_grad());
  if (!needs_gradient) return losses_alone(rows, input);
  return ChunkedCrossEntropy::apply(rows, input.head.weight, input);
}

}  // namespace

BatchTensors to_tensors(const data::MicroBatch& batch, at::Device device) {
  std::vector<int64_t> label_rows, targets;
  label_rows.reserve(static_cast<size_t>(batch.trained));
  targets.reserve(static_cast<size_t>(batch.trained));
  for (size_t row = 0; row + 1 < batch.starts.size(); ++row)
    for (int64_t place = batch.starts[row]; place + 1 < batch.starts[row + 1]; ++place) {
      int32_t next = batch.labels[static_cast<size_t>(place) + 1];
      if (next == data::kNotTrained) continue;
      label_rows.push_back(place);
      targets.push_back(next);
    }
  // One array, one copy.
  std::vector<int64_t> all;
  all.insert(all.end(), batch.ids.begin(), batch.ids.end());
  all.insert(all.end(), batch.positions.begin(), batch.positions.end());
  all.insert(all.end(), label_rows.begin(), label_rows.end());
  all.insert(all.end(), targets.begin(), targets.end());
  const auto indices = static_cast<int64_t>(all.size());
  all.insert(all.end(), batch.starts.begin(), batch.starts.end());
  const at::Tensor narrow = kernels::int32_on(all, device);
  const at::Tensor wide = narrow.narrow(0, 0, indices).to(at::kLong);

  const auto tokens = static_cast<int64_t>(batch.ids.size());
  const auto labels = static_cast<int64_t>(label_rows.size());
  BatchTensors tensors;
  tensors.ids = wide.narrow(0, 0, tokens);
  tensors.layout.positions = wide.narrow(0, tokens, tokens);
  tensors.layout.starts = batch.starts;
  tensors.layout.longest = kernels::longest_row(batch.starts);
  if (!device.is_cpu()) tensors.layout.offsets = narrow.slice(0, indices);
  tensors.label_rows = wide.narrow(0, 2 * tokens, labels);
  tensors.targets = wide.narrow(0, 2 * tokens + labels, labels);
  return tensors;
}

at::Tensor token_losses(models::CausalLM& model, const BatchTensors& batch, int64_t chunk) {
  if (batch.label_rows.size(0) > 0) return losses_of(model, batch, chunk, false);
  const at::ScalarType dtype = model.dtype == at::kDouble ? at::kDouble : at::kFloat;
  return at::empty({0}, at::TensorOptions().dtype(dtype).device(model.device));
}

at::Tensor loss_sum(models::CausalLM& model, const BatchTensors& batch, int64_t chunk) {
  if (batch.label_rows.size(0) > 0) return losses_of(model, batch, chunk, true).sum();
  const at::ScalarType dtype = model.dtype == at::kDouble ? at::kDouble : at::kFloat;
  return at::zeros({}, at::TensorOptions().dtype(dtype).device(model.device));
}

}  // namespace slmtune::train
