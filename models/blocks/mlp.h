// Gated feed-forward block (Shazeer 2020): down(act(gate(x)) ⊙ up(x)).
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/gated_activation/gated_activation.h"
#include "models/blocks/half.h"

namespace slmtune::models {

// act(gate) ⊙ up over gate, up [T, F]. Keeps nothing but them.
class GatedMixer final : public Mixer {
 public:
  explicit GatedMixer(int64_t width, kernels::Activation activation = kernels::Activation::kSilu)
      : width_(width), activation_(activation) {}
  std::vector<int64_t> widths() const override { return {width_, width_}; }
  at::Tensor forward(const Parts& parts, const LayerInput& input) const override;
  void prepare(Parts&, const PackedRows&) const override {}
  Mixed mix(const Parts& parts, const PackedRows& rows) const override;
  // What it returns lies where the gradient was.
  at::Tensor backward(at::Tensor gradient, const Parts& parts, const std::vector<at::Tensor>& kept,
                      const PackedRows& rows, Parts& gradients) const override;
  bool overwrites_parts() const override { return true; }

 private:
  int64_t width_;
  kernels::Activation activation_;
};

// With separate gate, up and down projections, SwiGLU, and a norm of the usual kind before them.
Half mlp_half(const ModelConfig& config, at::ScalarType dtype);

}  // namespace slmtune::models
