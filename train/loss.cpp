#include "train/loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace slmtune::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor int64_tensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

// Log-probabilities of a chunk and the sum of −log p(target) over it.
struct ChunkLoss {
  at::Tensor log_probabilities;  // [n, V]
  at::Tensor sum;                // scalar
};

ChunkLoss chunk_loss(const at::Tensor& logits, const at::Tensor& targets) {
  at::Tensor log_probabilities = at::log_softmax(logits, 1);
  at::Tensor sum = log_probabilities.gather(1, targets.unsqueeze(1)).sum().neg();
  return {std::move(log_probabilities), std::move(sum)};
}

// Sum over all chunks without any gradient: [N, D] hidden rows, [N] targets.
at::Tensor plain_sum(models::CausalLM& model, const at::Tensor& rows, const at::Tensor& targets,
                     int64_t chunk) {
  at::Tensor total;
  for (int64_t first = 0; first < rows.size(0); first += chunk) {
    int64_t last = std::min(first + chunk, rows.size(0));
    at::Tensor sum =
        chunk_loss(model.logits(rows.slice(0, first, last)), targets.slice(0, first, last)).sum;
    total = total.defined() ? total + sum : sum;
  }
  return total;
}

// d(loss)/d(logits) = softmax − one-hot, written over the log-probabilities.
at::Tensor logits_gradient(const at::Tensor& log_probabilities, const at::Tensor& targets) {
  at::Tensor gradient = log_probabilities.exp_();
  at::Tensor minus_one = at::full({targets.size(0), 1}, -1.0, gradient.options());
  return gradient.scatter_add_(1, targets.unsqueeze(1), minus_one);
}

// Hidden rows and head tensors in, loss sum out. The forward pass already makes the gradients, a
// chunk at a time; the backward pass only multiplies them by the incoming scalar.
class ChunkedCrossEntropy : public torch::autograd::Function<ChunkedCrossEntropy> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::TensorList& head, models::CausalLM* model,
                            const at::Tensor& targets, int64_t chunk) {
    at::AutoGradMode with_gradient(true);  // torch runs forward() with grad mode off
    at::Tensor total, rows_gradient = at::empty_like(rows);
    std::vector<at::Tensor> head_gradients(head.size());
    for (int64_t first = 0; first < rows.size(0); first += chunk) {
      int64_t last = std::min(first + chunk, rows.size(0));
      at::Tensor piece = rows.slice(0, first, last).detach().requires_grad_(true);
      at::Tensor piece_targets = targets.slice(0, first, last);
      at::Tensor logits = model->logits(piece);
      ChunkLoss loss = chunk_loss(logits.detach(), piece_targets);
      total = total.defined() ? total + loss.sum : loss.sum;
      variable_list inputs = {piece};
      inputs.insert(inputs.end(), head.begin(), head.end());
      variable_list gradients = torch::autograd::grad(
          {logits}, inputs, {logits_gradient(loss.log_probabilities, piece_targets)},
          /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
      rows_gradient.slice(0, first, last).copy_(gradients[0]);
      for (size_t i = 0; i < head.size(); ++i) add(head_gradients[i], gradients[i + 1]);
    }
    variable_list kept = {rows_gradient};
    kept.insert(kept.end(), head_gradients.begin(), head_gradients.end());
    context->save_for_backward(kept);
    return total;
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    variable_list gradients;
    for (const at::Tensor& kept : context->get_saved_variables())
      gradients.push_back(kept.defined() ? kept * incoming[0].to(kept.scalar_type()) : kept);
    gradients.resize(gradients.size() + 3);  // model, targets and chunk have none
    return gradients;
  }

 private:
  static void add(at::Tensor& sum, const at::Tensor& gradient) {
    if (!gradient.defined()) return;
    if (sum.defined())
      sum.add_(gradient);
    else
      sum = gradient;
  }
};

// Trainable tensors outside the decoder layers that logits() may use: the head, or the embedding
// that is tied to it.
std::vector<at::Tensor> head_tensors(models::CausalLM& model) {
  std::vector<at::Tensor> tensors;
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    bool may_be_head = name.starts_with("lm_head.") || name == "model.embed_tokens.weight";
    if (may_be_head && tensor.requires_grad()) tensors.push_back(tensor);
  });
  return tensors;
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
  BatchTensors tensors;
  tensors.ids = at::tensor(batch.ids, at::kInt).to(at::kLong).to(device);
  tensors.layout.positions = at::tensor(batch.positions, at::kInt).to(at::kLong).to(device);
  tensors.layout.starts = batch.starts;
  tensors.label_rows = int64_tensor(label_rows, device);
  tensors.targets = int64_tensor(targets, device);
  return tensors;
}

at::Tensor loss_sum(models::CausalLM& model, const BatchTensors& batch, int64_t chunk) {
  if (batch.label_rows.size(0) == 0) {
    at::ScalarType dtype = model.dtype == at::kDouble ? at::kDouble : at::kFloat;
    return at::zeros({}, at::TensorOptions().dtype(dtype).device(model.device));
  }
  at::Tensor hidden = model.hidden(batch.ids, batch.layout);
  at::Tensor rows = hidden.index_select(0, batch.label_rows);
  std::vector<at::Tensor> head = head_tensors(model);
  bool needs_gradient = at::GradMode::is_enabled() && (rows.requires_grad() || !head.empty());
  if (!needs_gradient) return plain_sum(model, rows, batch.targets, chunk);
  return ChunkedCrossEntropy::apply(rows, at::TensorList(head), &model, batch.targets, chunk);
}

}  // namespace slmtune::train
