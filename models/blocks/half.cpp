#include "models/blocks/half.h"

#include <ATen/ATen.h>

#include "models/blocks/fused_half.h"
#include "models/blocks/placeholder.h"
#include "models/blocks/replayed_half.h"

namespace slmtune::models {

Norm placeholder_norm(std::string name, const ModelConfig& config, at::ScalarType dtype,
                      kernels::NormForm form) {
  return {.name = std::move(name),
          .weight = placeholder({config.hidden_size}, dtype),
          .eps = config.rms_norm_eps,
          .form = form};
}

at::Tensor Half::forward(const at::Tensor& x, const LayerInput& input) const {
  if (can_fuse(*this, x, input)) return fused_forward(*this, x, input);
  if (can_replay(*this, x, input)) return replayed_forward(*this, x, input);
  return forward_generic(x, input);
}

at::Tensor Half::forward_generic(const at::Tensor& x, const LayerInput& input) const {
  const at::Tensor normed = before.forward(x);
  std::vector<at::Tensor> outputs;
  for (const NamedLinear& each : inputs) outputs.push_back(each.linear.forward(normed));
  const at::Tensor y = output.linear.forward(mixer->forward(parts_of(outputs, *mixer), input));
  return x + (after.weight.defined() ? after.forward(y) : y);
}

void Half::for_each_linear(const VisitLinear& visit) {
  for (NamedLinear& each : inputs) visit(each.name, each.linear);
  visit(output.name, output.linear);
}

void Half::for_each_norm(const VisitTensor& visit) {
  visit(before.name, before.weight);
  if (after.weight.defined()) visit(after.name, after.weight);
}

Parts parts_of(const std::vector<at::Tensor>& outputs, const Mixer& mixer) {
  const std::vector<int64_t> widths = mixer.widths();
  if (outputs.size() == widths.size()) return outputs;
  return outputs.front().split_with_sizes(widths, -1);
}

}  // namespace slmtune::models
