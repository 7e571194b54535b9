// What the formats of fewer bits share: a weight is written out as a dense matrix into one reused
// buffer, multiplied, and forgotten; the backward pass writes it out again instead of keeping it.
// So a layer costs its compressed bytes, and the model one dense matrix of its largest layer
// besides.
#pragma once
#include "kernels/quant/frozen_weight.h"

namespace slmtune::kernels {

class QuantisedWeight : public FrozenWeight {
 public:
  QuantisedWeight(int64_t out, int64_t in) : out_(out), in_(in) {}
  // The weight must live until the backward pass is done.
  at::Tensor matmul(const at::Tensor& x) const final;
  at::Tensor dense(at::ScalarType dtype) const final;
  // As dense(), in this thread's buffer: valid until the next weight is written there.
  at::Tensor written_out(at::ScalarType dtype) const;
  int64_t in_features() const final { return in_; }
  int64_t out_features() const final { return out_; }
  uint64_t bytes() const final;  // of all tensors of state()

 protected:
  // Fills `target` [out, in], contiguous float32 or bfloat16.
  virtual void write_dense(at::Tensor& target) const = 0;

 private:
  int64_t out_, in_;
};

}  // namespace slmtune::kernels
