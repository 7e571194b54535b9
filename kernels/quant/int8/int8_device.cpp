#include "kernels/quant/int8/int8_device.h"

#include <ATen/ATen.h>

#include "kernels/cuda/cuda_module.h"
#include "kernels/cuda/cuda_tensors.h"

namespace slmtune::kernels {

void quantise_int8_on_device(const CudaInt8& kernels, const at::Tensor& dense, at::Tensor& codes,
                             at::Tensor& absmax, CudaStream stream) {
  const bool is_known = dense.scalar_type() == at::kFloat || dense.scalar_type() == at::kBFloat16;
  const at::Tensor weights = is_known ? dense : dense.to(at::kFloat);
  check_cuda(
      kernels.quantise(cuda_rows(weights), weights.const_data_ptr(),
                       codes.mutable_data_ptr<int8_t>(), absmax.mutable_data_ptr<float>(), stream),
      "int8_quantise");
}

void dequantise_int8_on_device(const CudaInt8& kernels, const at::Tensor& codes,
                               const at::Tensor& absmax, at::Tensor& target, CudaStream stream) {
  check_cuda(kernels.dequantise(cuda_rows(target), codes.const_data_ptr<int8_t>(),
                                absmax.const_data_ptr<float>(), target.mutable_data_ptr(),
                                target.stride(0), stream),
             "int8_dequantise");
}

}  // namespace slmtune::kernels
