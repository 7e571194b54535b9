#include "kernels/quant/widened.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/quant/float_formats.h"

namespace slmtune::kernels {

const float* widened(const at::Tensor& weights, int64_t first, int64_t count, float* buffer) {
  const void* data = weights.const_data_ptr();
  switch (weights.scalar_type()) {
    case at::kFloat:
      return static_cast<const float*>(data) + first;
    case at::kBFloat16:
      widen_bfloat16(static_cast<const uint16_t*>(data) + first, count, buffer);
      return buffer;
    case at::kHalf:
      widen_float16(static_cast<const uint16_t*>(data) + first, count, buffer);
      return buffer;
    default:
      SLMTUNE_ASSERT(weights.scalar_type() == at::kDouble, "weights are floating-point numbers");
      std::transform(static_cast<const double*>(data) + first,
                     static_cast<const double*>(data) + first + count, buffer,
                     [](double value) { return static_cast<float>(value); });
      return buffer;
  }
}

}  // namespace slmtune::kernels
