#include "kernels/rms_norm/rms_norm_rows.h"

#include <cmath>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

[[gnu::always_inline]] inline float rounded_to(float x, const float*) {
  return x;
}
[[gnu::always_inline]] inline float rounded_to(float x, const BFloat16Bits*) {
  BFloat16Bits bits;
  store_number(x, &bits);
  return number(bits);
}

template <typename Number>
[[gnu::always_inline]] inline void scale_row(const Number* x, const Number* weight, Number* y,
                                             float factor, const NormRows& shape) {
  if (shape.rounds_before_weight) {
#pragma omp simd
    for (int64_t c = 0; c < shape.columns; ++c)
      store_number(rounded_to(number(x[c]) * factor, x) * number(weight[c]), y + c);
  } else {
#pragma omp simd
    for (int64_t c = 0; c < shape.columns; ++c)
      store_number(number(x[c]) * factor * (shape.offset + number(weight[c])), y + c);
  }
}

[[gnu::always_inline]] inline float scale_of(float sum, const NormRows& shape, double eps) {
  const float mean = sum / static_cast<float>(shape.columns);
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(mean) + eps));
}

template <typename Number>
[[gnu::always_inline]] inline void forward(const Number* x, const Number* weight, Number* y,
                                           float* scale, const NormRows& shape, double eps) {
  for (int64_t r = 0; r < shape.rows; ++r, x += shape.columns, y += shape.columns) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < shape.columns; ++c) sum += number(x[c]) * number(x[c]);
    scale[r] = scale_of(sum, shape, eps);
    scale_row(x, weight, y, scale[r], shape);
  }
}

template <typename Number>
[[gnu::always_inline]] inline void add_forward(Number* x, const Number* addend,
                                               const Number* weight, Number* y, float* scale,
                                               const NormRows& shape, double eps) {
  for (int64_t r = 0; r < shape.rows; ++r) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < shape.columns; ++c) {
      const float total = rounded_to(number(x[c]) + number(addend[c]), x);
      store_number(total, x + c);
      sum += total * total;
    }
    scale[r] = scale_of(sum, shape, eps);
    scale_row(x, weight, y, scale[r], shape);
    x += shape.columns;
    addend += shape.columns;
    y += shape.columns;
  }
}

template <typename Number>
[[gnu::always_inline]] inline void backward(const Number* grad_y, const Number* x,
                                            const Number* weight, const float* scale,
                                            const Number* base, Number* out,
                                            const NormRows& shape) {
  for (int64_t r = 0; r < shape.rows; ++r) {
    const float factor = scale[r];
    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < shape.columns; ++c)
      dot += number(grad_y[c]) * (shape.offset + number(weight[c])) * number(x[c]);
    const float shared = dot * factor * factor / static_cast<float>(shape.columns);
    const auto gradient = [&](int64_t c) __attribute__((always_inline)) {
      const float g = number(grad_y[c]) * (shape.offset + number(weight[c]));
      return factor * (g - number(x[c]) * shared);
    };
    if (base != nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < shape.columns; ++c)
        store_number(number(base[c]) + gradient(c), out + c);
      base += shape.columns;
    } else {
#pragma omp simd
      for (int64_t c = 0; c < shape.columns; ++c) store_number(gradient(c), out + c);
    }
    grad_y += shape.columns;
    x += shape.columns;
    out += shape.columns;
  }
}

template <typename Number>
[[gnu::always_inline]] inline void weight_gradient(const Number* grad_y, const Number* x,
                                                   const float* scale, float* grad_weight,
                                                   const NormRows& shape) {
  for (int64_t r = 0; r < shape.rows; ++r, x += shape.columns, grad_y += shape.columns) {
    const float factor = scale[r];
#pragma omp simd
    for (int64_t c = 0; c < shape.columns; ++c)
      grad_weight[c] += number(grad_y[c]) * number(x[c]) * factor;
  }
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows(const float* x, const float* weight, float* y, float* scale, NormRows shape,
                   double eps) {
  forward(x, weight, y, scale, shape, eps);
}
SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows(const BFloat16Bits* x, const BFloat16Bits* weight, BFloat16Bits* y, float* scale,
                   NormRows shape, double eps) {
  forward(x, weight, y, scale, shape, eps);
}

SLMTUNE_VECTOR_VARIANTS
void add_rms_norm_rows(float* x, const float* addend, const float* weight, float* y, float* scale,
                       NormRows shape, double eps) {
  add_forward(x, addend, weight, y, scale, shape, eps);
}
SLMTUNE_VECTOR_VARIANTS
void add_rms_norm_rows(BFloat16Bits* x, const BFloat16Bits* addend, const BFloat16Bits* weight,
                       BFloat16Bits* y, float* scale, NormRows shape, double eps) {
  add_forward(x, addend, weight, y, scale, shape, eps);
}

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_backward(const float* grad_y, const float* x, const float* weight,
                            const float* scale, const float* base, float* out, NormRows shape) {
  backward(grad_y, x, weight, scale, base, out, shape);
}
SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_backward(const BFloat16Bits* grad_y, const BFloat16Bits* x,
                            const BFloat16Bits* weight, const float* scale,
                            const BFloat16Bits* base, BFloat16Bits* out, NormRows shape) {
  backward(grad_y, x, weight, scale, base, out, shape);
}

SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_weight_gradient(const float* grad_y, const float* x, const float* scale,
                                   float* grad_weight, NormRows shape) {
  weight_gradient(grad_y, x, scale, grad_weight, shape);
}
SLMTUNE_VECTOR_VARIANTS
void rms_norm_rows_weight_gradient(const BFloat16Bits* grad_y, const BFloat16Bits* x,
                                   const float* scale, float* grad_weight, NormRows shape) {
  weight_gradient(grad_y, x, scale, grad_weight, shape);
}

}  // namespace slmtune::kernels
