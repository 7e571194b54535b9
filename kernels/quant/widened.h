// Part of a weight as float32, for quantising it piece by piece.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace slmtune::kernels {

// `count` values of `weights`, contiguous and of any floating type, from `first` on: where they lie
// when they are float32 already, else converted into `buffer`.
const float* widened(const at::Tensor& weights, int64_t first, int64_t count, float* buffer);

}  // namespace slmtune::kernels
