#include "kernels/quant/nf4/nf4_device.h"

#include <ATen/ATen.h>

#include <bit>

#include "core/error.h"
#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"

namespace slmtune::kernels {
namespace {

int bits_of(int64_t block) {
  return std::countr_zero(static_cast<uint64_t>(block));
}

int64_t blocks_of(int64_t count, int64_t block) {
  return (count + block - 1) / block;
}

}  // namespace

Nf4Tensors quantise_nf4_on_device(const CudaNf4& kernels, const at::Tensor& dense,
                                  CudaStream stream) {
  const bool is_known = dense.scalar_type() == at::kFloat || dense.scalar_type() == at::kBFloat16;
  const at::Tensor weights = is_known ? dense : dense.to(at::kFloat);
  const int64_t count = weights.numel();
  Nf4Tensors stored;
  const int64_t blocks = blocks_of(count, stored.block);
  const at::TensorOptions bytes = weights.options().dtype(at::kByte),
                          floats = weights.options().dtype(at::kFloat);
  stored.packed = at::empty({blocks_of(count, 2)}, bytes);
  const at::Tensor absmax = at::empty({blocks}, floats);
  check_cuda(kernels.quantise(weights.const_data_ptr(), cuda_element(weights), count,
                              bits_of(stored.block), stored.packed.mutable_data_ptr<uint8_t>(),
                              absmax.mutable_data_ptr<float>(), stream),
             "nf4_quantise");
  // In host memory, since the order of a sum decides its last bits.
  stored.offset = absmax.to(at::kCPU).mean().item<float>();
  stored.nested_map = nf4_nested_map(weights.device());
  stored.absmax = at::empty({blocks}, bytes);
  stored.nested_absmax = at::empty({blocks_of(blocks, stored.nested_block)}, floats);
  check_cuda(kernels.quantise_scales(absmax.const_data_ptr<float>(), blocks, stored.offset,
                                     stored.nested_map.const_data_ptr<float>(),
                                     bits_of(stored.nested_block),
                                     stored.absmax.mutable_data_ptr<uint8_t>(),
                                     stored.nested_absmax.mutable_data_ptr<float>(), stream),
             "nf4_quantise_scales");
  return stored;
}

void dequantise_nf4_on_device(const CudaNf4& kernels, const Nf4Tensors& stored, at::Tensor& target,
                              CudaStream stream) {
  CudaNf4Blocks from{.packed = stored.packed.const_data_ptr<uint8_t>(),
                     .absmax = stored.absmax.const_data_ptr(),
                     .offset = stored.offset,
                     .block_bits = bits_of(stored.block),
                     .nested_bits = bits_of(stored.nested_block),
                     .count = target.numel()};
  if (!target.is_contiguous()) {
    from.columns = target.size(1);
    from.stride = target.stride(0);
  }
  if (stored.nested_absmax.defined()) {
    from.nested_absmax = stored.nested_absmax.const_data_ptr<float>();
    from.map = stored.nested_map.const_data_ptr<float>();
  }
  check_cuda(kernels.dequantise(from, cuda_element(target), target.mutable_data_ptr(), stream),
             "nf4_dequantise");
}

}  // namespace slmtune::kernels
