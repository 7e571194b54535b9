#include "kernels/quant/int8/int8_weight.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "kernels/cuda/cuda_module.h"
#include "kernels/parallel.h"
#include "kernels/quant/int8/int8_device.h"
#include "kernels/quant/int8/int8_rows.h"
#include "kernels/quant/widened.h"

namespace slmtune::kernels {
namespace {

// Weights a thread takes on at least: fewer are done before a second one has started.
constexpr int64_t kWeightsPerTask = 1 << 16;
constexpr float kLargestCode = 127.0f;
// Below this the quotient would overflow; such a row is as good as zeros.
constexpr float kSmallestMagnitude = 1e-36f;

int64_t rows_per_task(int64_t in) {
  return std::max<int64_t>(1, kWeightsPerTask / std::max<int64_t>(in, 1));
}

}  // namespace

Int8Weight::Int8Weight(const at::Tensor& dense) : QuantisedWeight(dense.size(0), dense.size(1)) {
  const at::Tensor weights = dense.detach().contiguous();
  const int64_t rows = dense.size(0), columns = dense.size(1);
  codes_ = at::empty({rows, columns}, weights.options().dtype(at::kChar));
  absmax_ = at::empty({rows}, weights.options().dtype(at::kFloat));
  if (weights.is_cuda()) {
    quantise_int8_on_device(opened_cuda_module().int8, weights, codes_, absmax_,
                            cuda_stream(weights.device().index()));
    return;
  }
  auto* codes = codes_.mutable_data_ptr<int8_t>();
  auto* absmax = absmax_.mutable_data_ptr<float>();
  parallel_for(0, rows, rows_per_task(columns), [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(static_cast<size_t>(columns));
    for (int64_t row = begin; row < end; ++row) {
      const float* values = widened(weights, row * columns, columns, buffer.data());
      absmax[row] = largest_magnitude(values, columns);
      const float scale = absmax[row] > kSmallestMagnitude ? kLargestCode / absmax[row] : 0.0f;
      quantise_int8(values, columns, scale, codes + row * columns);
    }
  });
}

std::map<std::string, at::Tensor> Int8Weight::state() const {
  return {{"weight", codes_}, {"weight.absmax", absmax_}};
}

void Int8Weight::to(at::Device device) {
  codes_ = codes_.to(device);
  absmax_ = absmax_.to(device);
}

void Int8Weight::write_dense(at::Tensor& target) const {
  if (target.is_cuda())
    return dequantise_int8_on_device(opened_cuda_module().int8, codes_, absmax_, target,
                                     cuda_stream(target.device().index()));
  const auto* codes = codes_.const_data_ptr<int8_t>();
  const float* absmax = absmax_.const_data_ptr<float>();
  const int64_t columns = codes_.size(1);
  const bool wide = target.scalar_type() == at::kFloat;
  parallel_for(0, codes_.size(0), rows_per_task(columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float step = absmax[row] / kLargestCode;
      const int64_t first = row * columns;
      if (wide)
        dequantise_int8(codes + first, columns, step, target.mutable_data_ptr<float>() + first);
      else
        dequantise_int8(codes + first, columns, step,
                        static_cast<uint16_t*>(target.mutable_data_ptr()) + first);
    }
  });
}

}  // namespace slmtune::kernels
