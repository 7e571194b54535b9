// Turns the placeholders of a built model into real tensors; shared by loading and fresh
// initialisation.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "models/causal_lm.h"

namespace slmtune::models {

// `source` gives the values of a parameter in any floating dtype and may lend memory: they are
// copied and converted. Linear weights go straight into the storage format, so at most one dense
// weight exists beside it.
void fill_model(
    CausalLM& model, const std::string& quant,
    const std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>& source);

}  // namespace slmtune::models
