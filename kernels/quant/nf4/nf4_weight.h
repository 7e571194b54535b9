// QLoRA's base weight: NormalFloat-4 with double quantisation, about 0.516 bytes a weight. Bytes,
// scales and names of the tensors are those that bitsandbytes writes for a Linear4bit
// (bitsandbytes, nn/modules.py and functional.py, QuantState.as_dict).
#pragma once
#include "kernels/quant/quantised_weight.h"

namespace slmtune::kernels {

// The tensors of one weight, as stored.
struct Nf4Tensors {
  at::Tensor packed;         // uint8, (out · in + 1) / 2 bytes
  at::Tensor absmax;         // uint8 codes, or float32 when there is no second quantisation
  at::Tensor nested_absmax;  // float32, one per nested_block scales; undefined without
  float offset = 0.0f;       // mean of the scales
  int64_t block = 64, nested_block = 256;  // powers of two; block from 32 to 4096
  at::Tensor nested_map = {};  // nf4_nested_map(), made by Nf4Weight where nested_absmax is
};

// What the codes of the scales stand for: float32 [256], the signed dynamic map.
at::Tensor nf4_nested_map(at::Device device);

class Nf4Weight : public QuantisedWeight {
 public:
  // Quantises `dense` [out, in], any floating type, on its device. In host memory on all threads, a
  // piece at a time, so that a borrowed tensor of a mapped file is never in memory as a whole.
  explicit Nf4Weight(const at::Tensor& dense);
  // Takes stored tensors; F057 when their sizes do not fit [out, in].
  Nf4Weight(int64_t out, int64_t in, Nf4Tensors stored);

  // "weight", "weight.absmax", "weight.quant_map" and, with double quantisation,
  // "weight.nested_absmax", "weight.nested_quant_map", "weight.nested_offset".
  std::map<std::string, at::Tensor> state() const override;
  void to(at::Device device) override;
  at::Device device() const override { return stored_.packed.device(); }

 protected:
  void write_dense(at::Tensor& target) const override;

 private:
  void read_scales(int64_t first, int64_t size, float* scales) const;

  Nf4Tensors stored_;
};

}  // namespace slmtune::kernels
