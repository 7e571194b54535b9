// A linear layer's weight in its storage format. Adding a format = a folder under kernels/quant/
// (its name in names.cpp) and a registry row. Law (tests/conformance): matmul(x) ≈ x·dense()ᵀ,
// gradient flows to x, state() round-trips bit-exactly.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace slmtune::kernels {

class FrozenWeight {
 public:
  virtual ~FrozenWeight() = default;
  // [.., in] -> [.., out], in x's dtype; gradient to x (and to the weight itself when trainable()
  // and it requires grad).
  virtual at::Tensor matmul(const at::Tensor& x) const = 0;
  // [out, in] in `dtype`; a dense weight of that dtype is returned without a copy.
  virtual at::Tensor dense(at::ScalarType dtype) const = 0;
  // Everything needed to rebuild it, by name ("weight" for dense).
  virtual std::map<std::string, at::Tensor> state() const = 0;
  // Moves state() to another device, bit for bit; what was borrowed from it stays behind.
  virtual void to(at::Device device) = 0;
  // The tensor that full training updates; nullptr for formats that cannot train.
  virtual at::Tensor* trainable() { return nullptr; }
  virtual int64_t in_features() const = 0;
  virtual int64_t out_features() const = 0;
  virtual uint64_t bytes() const = 0;
};

using MakeFrozenWeight = std::unique_ptr<FrozenWeight> (*)(const at::Tensor& dense);
struct QuantRow {
  std::string name;  // recipe word model.quant: none | bf16 | nf4 | int8
  MakeFrozenWeight make;
};
const std::vector<QuantRow>& quant_formats();
// R050 unknown name, with the list.
MakeFrozenWeight quant_format(const std::string& name);

}  // namespace slmtune::kernels
