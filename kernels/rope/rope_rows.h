// The CPU loops of the rotary embedding over raw pointers; rope.cpp calls them from
// parallel_for.
#pragma once
#include <cstdint>

#include "kernels/vector_math.h"

namespace slmtune::kernels {

// Strides in elements; channels of a head lie side by side.
struct RopeRows {
  int64_t tokens, heads, width;
  int64_t half;  // R: entries of cos and sin per token
  int64_t token_stride, head_stride;
  int64_t out_token_stride, out_head_stride;
};

// out = x turned by the angles, or against them with `sign` = −1. `out` may be `x` itself (with the
// same strides); else channels from 2·half on are copied.
void rotate_rows(const float* x, const float* cos, const float* sin, float sign, float* out,
                 RopeRows shape);
void rotate_rows(const BFloat16Bits* x, const BFloat16Bits* cos, const BFloat16Bits* sin,
                 float sign, BFloat16Bits* out, RopeRows shape);

}  // namespace slmtune::kernels
