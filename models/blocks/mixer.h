// What lies between the input and the output projections of one half of a layer: attention over q,
// k, v, or a gated activation of gate, up. No parameters.
//
// The generic path calls forward() and lets autograd do the rest. The fused path (fused_half.h)
// calls prepare() and mix(), and in its backward pass prepare() again, where the projections were
// not kept, and backward().
#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/host_stack.h"
#include "kernels/matmul/matmul.h"
#include "kernels/quant/written_weights.h"
#include "models/blocks/rope.h"
#include "models/causal_lm.h"

namespace slmtune::models {

// How the layers of a pass go about their work; none of it changes what is computed, but for
// `matmul`.
struct LayerForm {
  kernels::WrittenWeights* written =
      nullptr;  // dense weights come from here; null: from each linear
  kernels::Matmul matmul = kernels::Matmul::kModel;  // of the fused path
  int64_t mlp_tile = 0;                              // CausalLM::mlp_tile
  bool joins_low_rank = false;                       // CausalLM::joins_low_rank
  std::shared_ptr<kernels::HostStack> inputs = {};   // of layers that keep them there; null: none
};

// What a forward pass hands to every layer. With `cache` the tokens of the one row continue it:
// keys and values go to its slot `layer`; the caller moves cache->length on after the last layer.
struct LayerInput {
  const Rotation& rotation;
  const Layout& layout;
  KvCache* cache;
  size_t layer;
  bool fused;      // the fused path may be taken
  bool recompute;  // the backward pass computes the projections again instead of keeping them
  LayerForm form = {};
};

// What a backward pass needs of it.
struct PackedRows {
  Rotation rotation;
  kernels::RowStarts rows;
};

// Projections [T, width], rows of any stride: q, k, v or gate, up.
using Parts = std::vector<at::Tensor>;

class Mixer {
 public:
  virtual ~Mixer() = default;
  virtual std::vector<int64_t> widths() const = 0;  // of the parts

  // -> [T, in of the output projection]. Differentiable.
  virtual at::Tensor forward(const Parts& parts, const LayerInput& input) const = 0;

  // Nothing below is recorded by autograd.
  struct Mixed {
    at::Tensor out;
    std::vector<at::Tensor> kept;  // for backward(); empty when the parts say it all
  };
  virtual void prepare(Parts& parts, const PackedRows& rows) const = 0;  // in place
  virtual Mixed mix(const Parts& parts, const PackedRows& rows) const = 0;
  // From the gradient of `out` and the prepared parts, those of the projections into `gradients`:
  // shaped as the parts, and the parts themselves where overwrites_parts(). Where it does not, they
  // may be undefined and are made, contiguous. Returns `out` again, perhaps in the memory of
  // `gradient`.
  virtual at::Tensor backward(at::Tensor gradient, const Parts& parts,
                              const std::vector<at::Tensor>& kept, const PackedRows& rows,
                              Parts& gradients) const = 0;
  virtual bool overwrites_parts() const = 0;
};

}  // namespace slmtune::models
