// Rotary position embedding (Su et al. 2021) in the "rotate half" form of the Hugging Face models,
// with linear and llama3 frequency scaling.
//
//   RotaryEmbedding rotary(config, at::kFloat, at::kCPU);
//   Rotation rotation = rotary.at_positions(layout.positions);   // once per forward pass, shared
//   by all layers at::Tensor q = rotate(q, rotation);                          // [T, H, head_dim]
#pragma once
#include <ATen/core/Tensor.h>

#include "models/model_config.h"

namespace slmtune::models {

struct Rotation {
  at::Tensor cos, sin;  // [T, head_dim / 2] in the activations' dtype
};

class RotaryEmbedding {
 public:
  // Angles are computed in float32 (float64 for a float64 model) and cast to `dtype` at the end, as
  // transformers does.
  RotaryEmbedding(const ModelConfig& config, at::ScalarType dtype, at::Device device);
  Rotation at_positions(const at::Tensor& positions) const;  // [T] int64

 private:
  at::Tensor frequencies_;  // [head_dim / 2]
  at::ScalarType dtype_;
};

// x [T, H, head_dim] -> the same shape, contiguous. Differentiable in x.
//   [a, b] -> [a·cos − b·sin, b·cos + a·sin]   (a, b: halves of the head)
at::Tensor rotate(const at::Tensor& x, const Rotation& rotation);

}  // namespace slmtune::models
