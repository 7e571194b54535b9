// Layouts and the lists of parameters that training and reports need.
#include <ATen/ATen.h>

#include <algorithm>

#include "models/causal_lm.h"

namespace slmtune::models {

Layout Layout::single(int64_t tokens, int64_t first_position) {
  return {.positions = at::arange(first_position, first_position + tokens, at::kLong),
          .starts = {0, tokens},
          .first_position = first_position};
}

kernels::RowStarts Layout::rows() const {
  kernels::RowStarts rows = starts;
  rows.longest = std::max(rows.longest, longest);
  rows.offsets = offsets;
  return rows;
}

Layout Layout::on(at::Device device) const {
  Layout there = *this;
  const kernels::RowStarts made = rows().on(device);
  there.offsets = made.offsets;
  there.longest = made.longest;
  return there;
}

ParameterCount count_parameters(CausalLM& model) {
  ParameterCount count;
  const auto add = [&](const at::Tensor& tensor) {
    count.total += tensor.numel();
    if (tensor.requires_grad()) count.trainable += tensor.numel();
  };
  model.for_each_parameter([&](const std::string&, at::Tensor& tensor) { add(tensor); });
  model.for_each_linear([&](const std::string&, Linear& linear) {
    if (linear.weight->trainable() == nullptr)
      count.total += linear.weight->in_features() * linear.weight->out_features();
    if (!linear.adapter) return;
    for (const auto& [name, tensor] : linear.adapter->parameters()) add(*tensor);
  });
  return count;
}

std::vector<std::pair<std::string, at::Tensor>> trainable_tensors(CausalLM& model) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  model.for_each_linear([&](const std::string& module, Linear& linear) {
    if (!linear.adapter) return;
    for (const auto& [name, tensor] : linear.adapter->parameters())
      if (tensor->requires_grad()) tensors.emplace_back(module + "." + name, *tensor);
  });
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (tensor.requires_grad()) tensors.emplace_back(name, tensor);
  });
  return tensors;
}

}  // namespace slmtune::models
