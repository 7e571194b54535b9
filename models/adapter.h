// The slot that LoRA variants fill. An adapter wraps one linear and returns the *whole* output
// (DoRA is not additive). Law (tests/conformance): with dropout off apply(x, x·Wᵀ, W) ≈
// x·merged(W)ᵀ; a fresh adapter is the identity.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "kernels/quant/frozen_weight.h"

namespace slmtune::models {

// y = base_out + scale · (x·Aᵀ)·Bᵀ
struct LowRank {
  at::Tensor a, b;  // [R, in], [out, R]
  double scale = 1.0;
};

class Adapter {
 public:
  virtual ~Adapter() = default;
  // x [.., in], base_out = x·Wᵀ [.., out] -> [.., out]. Dropout only while training. The caller
  // gives base_out up: the adapter may write its result into it.
  virtual at::Tensor apply(const at::Tensor& x, const at::Tensor& base_out,
                           const kernels::FrozenWeight& base) const = 0;
  // For adapters that are nothing but a low-rank product at the moment (no dropout in effect): the
  // fused path of models/blocks/fused_half.h then computes it instead of apply().
  virtual std::optional<LowRank> low_rank() const { return std::nullopt; }
  // [out, in] float32 -> merged [out, in] float32.
  virtual at::Tensor merged(const at::Tensor& dense_base) const = 0;
  // Trainable tensors by PEFT's short name ("lora_A.weight", "lora_B.weight").
  virtual std::map<std::string, at::Tensor*> parameters() = 0;
  // What a PEFT folder keeps, by the same names; the trainable tensors unless the variant is another
  // on disk.
  virtual std::map<std::string, at::Tensor> stored() {
    std::map<std::string, at::Tensor> tensors;
    for (const auto& [name, tensor] : parameters()) tensors[name] = *tensor;
    return tensors;
  }
  bool training = false;
};

}  // namespace slmtune::models
