// The slot that LoRA variants fill. An adapter wraps one linear and returns the *whole* output
// (DoRA is not additive). Law (tests/conformance): with dropout off apply(x, x·Wᵀ, W) ≈
// x·merged(W)ᵀ; a fresh adapter is the identity.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "kernels/quant/frozen_weight.h"

namespace slmtune::models {

class Adapter {
 public:
  virtual ~Adapter() = default;
  // x [.., in], base_out = x·Wᵀ [.., out] -> [.., out]. Dropout only while training. The caller
  // gives base_out up: the adapter may write its result into it.
  virtual at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                           const kernels::FrozenWeight& base) const = 0;
  // [out, in] float32 -> merged [out, in] float32.
  virtual at::Tensor merged(const at::Tensor& dense_base) const = 0;
  // Trainable tensors by PEFT's short name ("lora_A.weight", "lora_B.weight").
  virtual std::map<std::string, at::Tensor*> parameters() = 0;
  bool training = false;
};

}  // namespace slmtune::models
