// The fused path of one half of a layer: a single autograd node with a hand-written backward pass,
// for plain low-rank adapters over frozen weights of any storage format. Proven equal to the
// generic path for every family and format by tests/conformance/fused_laws_test.cpp.
//
//   forward    h = norm(x);  u = h·[A₁; A₂; …]ᵀ, once for all inputs;  yᵢ = h·Wᵢᵀ + sᵢ·uᵢ·Bᵢᵀ,
//              added behind the product, on a CPU with tiles within it, or, with
//              LayerForm::joins_low_rank, as yᵢ = [h, u]·[Wᵢ, 0, sᵢ·Bᵢ, 0]ᵀ: the last two save
//              reading and writing y once more
//              y = x + mix(y₁, y₂, …)·Wᵀ + s·u'·Bᵀ, the residual added inside the product
//   backward   h and the gated activation are made again; gate, up and the gradient of their
//   product
//              are overwritten in place; each quantised weight is written out once
//
// What a half keeps between the passes, in elements of x's dtype per token (D hidden, Q = heads ·
// head_dim, K = kv_heads · head_dim, F intermediate, R ranks of its adapters, summed):
//
//                 keep                                 recompute
//   attention     D + 2Q + 2K + R, + 4 bytes · heads   D + Q + R, + 4 bytes · heads
//   mlp           D + 2F + R                           D + R
//   with a norm behind the output, both                + D
//
// (the first D is x, which the half before made). kept_bytes_per_token() is that sum for a layer.
// Recomputing runs the norm, the input projections and their rotation again, but neither attention
// nor the output projection. Results are the same bits both ways.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/blocks/half.h"

namespace slmtune::models {

// Whether something is to be recorded, on the CPU or a GPU, and no parameter of the half trains but
// A and B of adapters that are low_rank().
bool can_fuse(const Half& half, const at::Tensor& x, const LayerInput& input);

// x [T, D] -> [T, D]. The backward pass may run once, and gives first derivatives only. `half` must
// live until then.
at::Tensor fused_forward(const Half& half, const at::Tensor& x, const LayerInput& input);

}  // namespace slmtune::models
