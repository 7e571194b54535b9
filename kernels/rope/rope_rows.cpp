#include "kernels/rope/rope_rows.h"

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

template <typename Number>
[[gnu::always_inline]] inline void rotate(const Number* x, const Number* cos, const Number* sin,
                                          float sign, Number* out, const RopeRows& shape) {
  const int64_t half = shape.half;
  for (int64_t token = 0; token < shape.tokens; ++token, cos += half, sin += half) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      const Number* source = x + token * shape.token_stride + head * shape.head_stride;
      Number* target = out + token * shape.out_token_stride + head * shape.out_head_stride;
#pragma omp simd
      for (int64_t i = 0; i < half; ++i) {
        const float a = number(source[i]), b = number(source[i + half]);
        const float c = number(cos[i]), s = sign * number(sin[i]);
        store_number(a * c - b * s, target + i);
        store_number(b * c + a * s, target + i + half);
      }
      if (target == source) continue;
      for (int64_t i = 2 * half; i < shape.width; ++i) target[i] = source[i];
    }
  }
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void rotate_rows(const float* x, const float* cos, const float* sin, float sign, float* out,
                 RopeRows shape) {
  rotate(x, cos, sin, sign, out, shape);
}
SLMTUNE_VECTOR_VARIANTS
void rotate_rows(const BFloat16Bits* x, const BFloat16Bits* cos, const BFloat16Bits* sin,
                 float sign, BFloat16Bits* out, RopeRows shape) {
  rotate(x, cos, sin, sign, out, shape);
}

}  // namespace slmtune::kernels
