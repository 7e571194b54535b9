// A linear layer: a weight in some storage format, perhaps a bias, perhaps an adapter. The only
// place where they meet.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "kernels/quant/frozen_weight.h"
#include "models/adapter.h"

namespace slmtune::models {

class Linear {
 public:
  at::Tensor forward(const at::Tensor& x) const;  // [.., in] -> [.., out]

  std::unique_ptr<kernels::FrozenWeight> weight;
  at::Tensor bias;  // [out], undefined when the layer has none
  std::unique_ptr<Adapter> adapter;
  bool use_adapter = true;  // off: the base model alone (evaluation of the base, reference of DPO)
  // Sees x before each product of the generic path (models/input_squares.h); usually there is none.
  std::function<void(const at::Tensor& x)> on_input;
};

}  // namespace slmtune::models
