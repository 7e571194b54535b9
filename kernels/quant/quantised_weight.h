// What the formats of fewer bits share: a weight is written out as a dense matrix into one reused
// buffer, multiplied, and forgotten; the backward pass writes it out again instead of keeping it.
// So a layer costs its compressed bytes, and the model one dense matrix of its largest layer
// besides. All of it happens on the device that holds the weight.
#pragma once
#include "kernels/quant/frozen_weight.h"

namespace slmtune::kernels {

class QuantisedWeight : public FrozenWeight {
 public:
  QuantisedWeight(int64_t out, int64_t in) : out_(out), in_(in) {}
  // The weight must live until the backward pass is done.
  at::Tensor matmul(const at::Tensor& x) const final;
  at::Tensor dense(at::ScalarType dtype) const final;
  // As dense(), in a buffer that is used again: valid until the next weight is written there. On
  // the CPU each thread has one, on a GPU each stream, whose order protects it; a weight that is
  // larger than those before takes a new one.
  at::Tensor written_out(at::ScalarType dtype) const;
  // As dense() into `target` [out, in], float32 or bfloat16 on the weight's device; its rows may
  // stand apart.
  void write_into(at::Tensor& target) const;
  virtual at::Device device() const = 0;
  int64_t in_features() const final { return in_; }
  int64_t out_features() const final { return out_; }
  uint64_t bytes() const final;  // of all tensors of state()

 protected:
  // Fills `target` [out, in], float32 or bfloat16, on the same device as the state: contiguous on
  // the CPU, on a GPU rows may stand apart.
  virtual void write_dense(at::Tensor& target) const = 0;

 private:
  int64_t out_, in_;
};

}  // namespace slmtune::kernels
