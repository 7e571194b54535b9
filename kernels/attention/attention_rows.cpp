#include "kernels/attention/attention_rows.h"

#include <cmath>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

using kernels::exponential_to_88;
using kernels::hyperbolic_tangent;
using kernels::number;
using kernels::store_number;

// The float32 forms are those of vector_math.h.
inline double exponential_to_88(double x) {
  return std::exp(x);
}
inline double hyperbolic_tangent(double x) {
  return std::tanh(x);
}
inline void store_number(double x, double* out) {
  *out = x;
}
inline double number(double x) {
  return x;
}

// Keys first … end-1 are seen by query i of the block.
struct Seen {
  int64_t first, end;
};
[[gnu::always_inline]] inline Seen seen_by(const ScoreBlock& block, int64_t i) {
  const int64_t place = block.offset + i + 1, end = place < block.keys ? place : block.keys;
  const int64_t first = block.window > 0 && place > block.window ? place - block.window : 0;
  return {first < end ? first : end, end};
}

template <typename Wide>
[[gnu::always_inline]] inline void clear_unseen(Wide* row, const Seen& seen, int64_t keys) {
  for (int64_t k = 0; k < seen.first; ++k) row[k] = Wide{0};
  for (int64_t k = seen.end; k < keys; ++k) row[k] = Wide{0};
}

// What turns a product into a score.
template <typename Wide>
struct Bend {
  explicit Bend(const ScoreBlock& block)
      : cap(static_cast<Wide>(block.soft_cap)),
        scale(
            static_cast<Wide>(block.soft_cap > 0.0 ? block.scale / block.soft_cap : block.scale)) {}
  Wide cap;    // 0: none
  Wide scale;  // with a cap, of the argument of its tanh
};

template <typename Wide>
[[gnu::always_inline]] inline void softmax(Wide* products, const ScoreBlock& block,
                                           Wide* inverse_sums, Wide* log_sums) {
  const Bend<Wide> bend(block);
  for (int64_t i = 0; i < block.queries; ++i, products += block.keys) {
    const Seen seen = seen_by(block, i);
    if (bend.cap > Wide{0}) {
#pragma omp simd
      for (int64_t k = seen.first; k < seen.end; ++k)
        products[k] = bend.cap * hyperbolic_tangent(products[k] * bend.scale);
    }
    const Wide scale = bend.cap > Wide{0} ? Wide{1} : bend.scale;
    Wide largest = products[seen.first] * scale;
#pragma omp simd reduction(max : largest)
    for (int64_t k = seen.first; k < seen.end; ++k) {
      const Wide score = products[k] * scale;
      largest = score > largest ? score : largest;
    }
#pragma omp simd
    for (int64_t k = seen.first; k < seen.end; ++k)
      products[k] = exponential_to_88(products[k] * scale - largest);
    Wide sum = Wide{0};  // apart: together GCC keeps the sums in memory
#pragma omp simd reduction(+ : sum)
    for (int64_t k = seen.first; k < seen.end; ++k) sum += products[k];
    clear_unseen(products, seen, block.keys);
    inverse_sums[i] = Wide{1} / sum;
    log_sums[i] = largest + std::log(sum);
  }
}

template <typename Wide>
[[gnu::always_inline]] inline void softmax_backward(Wide* products, Wide* grad_weights,
                                                    const ScoreBlock& block, const Wide* log_sums,
                                                    const Wide* shared) {
  const Bend<Wide> bend(block);
  const auto scale = static_cast<Wide>(block.scale);
  for (int64_t i = 0; i < block.queries; ++i) {
    const Seen seen = seen_by(block, i);
    const Wide log_sum = log_sums[i], total = shared[i];
    if (bend.cap > Wide{0}) {
#pragma omp simd
      for (int64_t k = seen.first; k < seen.end; ++k) {
        const Wide bent = hyperbolic_tangent(products[k] * bend.scale);
        products[k] = exponential_to_88(bend.cap * bent - log_sum);
        grad_weights[k] = products[k] * (grad_weights[k] - total) * (Wide{1} - bent * bent) * scale;
      }
    } else {
#pragma omp simd
      for (int64_t k = seen.first; k < seen.end; ++k) {
        products[k] = exponential_to_88(products[k] * scale - log_sum);
        grad_weights[k] = products[k] * (grad_weights[k] - total) * scale;
      }
    }
    clear_unseen(products, seen, block.keys);
    clear_unseen(grad_weights, seen, block.keys);
    products += block.keys;
    grad_weights += block.keys;
  }
}

template <typename Wide, typename Number>
[[gnu::always_inline]] inline void store(const Wide* x, const Wide* factors, int64_t rows,
                                         int64_t columns, Number* out, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r, x += columns, out += stride) {
    const Wide factor = factors != nullptr ? factors[r] : Wide{1};
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) store_number(x[c] * factor, out + c);
  }
}

template <typename Wide, typename Number>
[[gnu::always_inline]] inline void sum(const Wide* x, int64_t part_stride, int64_t parts,
                                       int64_t rows, int64_t columns, Number* out, int64_t stride) {
  constexpr int64_t kColumns = 64;  // at a time
  Wide totals[kColumns];
  for (int64_t r = 0; r < rows; ++r, x += columns, out += stride)
    for (int64_t begin = 0; begin < columns; begin += kColumns) {
      const int64_t count = columns - begin < kColumns ? columns - begin : kColumns;
      const Wide* source = x + begin;
      for (int64_t c = 0; c < count; ++c) totals[c] = source[c];
      for (int64_t p = 1; p < parts; ++p)
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) totals[c] += source[p * part_stride + c];
      for (int64_t c = 0; c < count; ++c) store_number(totals[c], out + begin + c);
    }
}

template <typename Number, typename Wide>
[[gnu::always_inline]] inline void dots(const Number* a, int64_t a_stride, const Number* b,
                                        int64_t b_stride, int64_t rows, int64_t columns,
                                        Wide* sums) {
  for (int64_t r = 0; r < rows; ++r, a += a_stride, b += b_stride) {
    Wide sum = Wide{0};
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < columns; ++c) sum += number(a[c]) * number(b[c]);
    sums[r] = sum;
  }
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void softmax_rows(float* products, ScoreBlock block, float* inverse_sums, float* log_sums) {
  softmax(products, block, inverse_sums, log_sums);
}
void softmax_rows(double* products, ScoreBlock block, double* inverse_sums, double* log_sums) {
  softmax(products, block, inverse_sums, log_sums);
}

SLMTUNE_VECTOR_VARIANTS
void softmax_rows_backward(float* products, float* grad_weights, ScoreBlock block,
                           const float* log_sums, const float* shared) {
  softmax_backward(products, grad_weights, block, log_sums, shared);
}
void softmax_rows_backward(double* products, double* grad_weights, ScoreBlock block,
                           const double* log_sums, const double* shared) {
  softmax_backward(products, grad_weights, block, log_sums, shared);
}

SLMTUNE_VECTOR_VARIANTS
void widen_rows(const BFloat16Bits* x, int64_t stride, int64_t rows, int64_t columns, float* out) {
  for (int64_t r = 0; r < rows; ++r, x += stride, out += columns) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) out[c] = number(x[c]);
  }
}

SLMTUNE_VECTOR_VARIANTS
void store_rows(const float* x, const float* factors, int64_t rows, int64_t columns, float* out,
                int64_t stride) {
  store(x, factors, rows, columns, out, stride);
}
SLMTUNE_VECTOR_VARIANTS
void store_rows(const float* x, const float* factors, int64_t rows, int64_t columns,
                BFloat16Bits* out, int64_t stride) {
  store(x, factors, rows, columns, out, stride);
}
void store_rows(const double* x, const double* factors, int64_t rows, int64_t columns, double* out,
                int64_t stride) {
  store(x, factors, rows, columns, out, stride);
}

SLMTUNE_VECTOR_VARIANTS
void sum_rows(const float* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              float* out, int64_t stride) {
  sum(x, part_stride, parts, rows, columns, out, stride);
}
SLMTUNE_VECTOR_VARIANTS
void sum_rows(const float* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              BFloat16Bits* out, int64_t stride) {
  sum(x, part_stride, parts, rows, columns, out, stride);
}
void sum_rows(const double* x, int64_t part_stride, int64_t parts, int64_t rows, int64_t columns,
              double* out, int64_t stride) {
  sum(x, part_stride, parts, rows, columns, out, stride);
}

SLMTUNE_VECTOR_VARIANTS
void dot_rows(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t rows,
              int64_t columns, float* sums) {
  dots(a, a_stride, b, b_stride, rows, columns, sums);
}
SLMTUNE_VECTOR_VARIANTS
void dot_rows(const BFloat16Bits* a, int64_t a_stride, const BFloat16Bits* b, int64_t b_stride,
              int64_t rows, int64_t columns, float* sums) {
  dots(a, a_stride, b, b_stride, rows, columns, sums);
}
void dot_rows(const double* a, int64_t a_stride, const double* b, int64_t b_stride, int64_t rows,
              int64_t columns, double* sums) {
  dots(a, a_stride, b, b_stride, rows, columns, sums);
}

}  // namespace slmtune::kernels
