// Recomputation that keeps x alone and runs the forward pass again, with the same random numbers,
// inside the backward pass: of halves that the fused path does not serve (DoRA, dropout, full
// training), and of whole layers, fused or not, where memory is shorter still.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/blocks/half.h"

namespace slmtune::models {

// Whether input.recompute asks for it and something is to be recorded.
bool can_replay(const Half& half, const at::Tensor& x, const LayerInput& input);

// As half.forward_generic, bit for bit. Parameters get their gradients from backward() only, not
// from autograd::grad(); until then adapters must stay on or off as they are.
at::Tensor replayed_forward(const Half& half, const at::Tensor& x, const LayerInput& input);

// mlp(attention(x)). With `keep_input_alone` the layer keeps x and nothing else between the passes:
// D elements per token, where halves that recompute keep 2D + Q and more; attention and both output
// projections are computed again, too. Results are the same bits both ways, unless input.form has the
// MLP go through in tiles: then the gradients of its adapters are sums of other parts. Weights that
// are written out for computing again stay for the backward pass.
at::Tensor layer_forward(const Half& attention, const Half& mlp, const at::Tensor& x,
                         const LayerInput& input, bool keep_input_alone);

}  // namespace slmtune::models
