// Rotary position embedding (Su et al. 2021) in the "rotate half" form of the Hugging Face models,
// over all or the first channels of a head, with the frequency scalings of transformers.
//
//   RotaryEmbedding rotary(config, at::kFloat, at::kCPU);
//   Rotation rotation = rotary.at(layout);   // once per forward pass, shared by all layers
//   at::Tensor q = rotate(q, rotation);      // [T, H, head_dim]
#pragma once
#include <ATen/core/Tensor.h>

#include "models/causal_lm.h"
#include "models/model_config.h"

namespace slmtune::models {

struct Rotation {
  at::Tensor cos, sin;  // [T, ⌈rotary_dim / 2⌉] in the activations' dtype
};

class RotaryEmbedding {
 public:
  // Angles are computed in float32 (float64 for a float64 model) and cast to `dtype` at the end, as
  // transformers does.
  RotaryEmbedding(const ModelConfig& config, at::ScalarType dtype, at::Device device);
  Rotation at(const Layout& layout) const;

  // Some scalings choose frequencies by the length of the row, that is its last position + 1.
  bool depends_on_length() const;
  // Whether keys turned in a row of length `from` are wrong in one of length `to`.
  bool outdates(int64_t from, int64_t to) const;

 private:
  // [T] of one row whose last position is length − 1 -> [T, ⌈rotary_dim / 2⌉]
  at::Tensor angles(const at::Tensor& positions, int64_t length) const;
  at::Tensor frequencies(int64_t length) const;

  double theta_;
  int64_t rotary_dim_, max_positions_;
  RopeScaling scaling_;
  at::ScalarType dtype_;
  at::Tensor short_, long_;  // [⌈rotary_dim / 2⌉]; long_ only with longrope
};

// x [T, H, head_dim], rows of any stride -> the same shape, contiguous. Differentiable in x.
// Channels behind the rotating ones pass unchanged.
//   [a, b] -> [a·cos − b·sin, b·cos + a·sin]   (a, b: halves of the rotating channels)
at::Tensor rotate(const at::Tensor& x, const Rotation& rotation);

}  // namespace slmtune::models
