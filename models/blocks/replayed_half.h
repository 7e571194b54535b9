// Recomputation for halves that the fused path does not serve (DoRA, dropout, full training): keeps
// x alone and runs the generic forward pass again, with the same random numbers, inside the
// backward pass.
#pragma once
#include <ATen/core/Tensor.h>

#include "models/blocks/half.h"

namespace slmtune::models {

// Whether input.recompute asks for it and something is to be recorded.
bool can_replay(const Half& half, const at::Tensor& x, const LayerInput& input);

// As half.forward_generic, bit for bit. Parameters get their gradients from backward() only, not
// from autograd::grad(); until then adapters must stay on or off as they are.
at::Tensor replayed_forward(const Half& half, const at::Tensor& x, const LayerInput& input);

}  // namespace slmtune::models
