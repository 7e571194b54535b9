// Turns the placeholders of a built model into real tensors; shared by loading and fresh
// initialisation.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>

#include "models/causal_lm.h"

namespace slmtune::models {

// Puts the values of a parameter into `target`, a tensor of the model's device and, but for tables,
// its dtype.
using FillTensor = std::function<void(const std::string& name, at::Tensor& target)>;

// The weight of a linear, by name ("….q_proj.weight"), where no filled tensor is needed for it;
// nullptr where one is.
using TakeWeight = std::function<std::unique_ptr<kernels::FrozenWeight>(const std::string& name)>;

// The type that the embedding or an untied head is kept in, by name: the model's, or a narrower one
// that it holds exactly.
using TableType = std::function<at::ScalarType(const std::string& name)>;

// Linear weights go straight into the storage format, so at most one dense weight exists beside it.
void fill_model(CausalLM& model, const std::string& quant, const FillTensor& fill,
                const TakeWeight& take = {}, const TableType& table_type = {});

}  // namespace slmtune::models
