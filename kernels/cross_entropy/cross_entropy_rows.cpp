#include "kernels/cross_entropy/cross_entropy_rows.h"

#include <cmath>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

// Stays in the first cache between the search for the maximum and the sum over it; short enough
// that a float sum over it keeps its digits.
constexpr int64_t kBlock = 1024;
// Below every logit: e^(x − kFloor) overflows for no row, and e^(kFloor − m) is 0.
constexpr float kFloor = -3.0e38f;
constexpr int64_t kNone = -100;  // kNoTarget

// Σ_v e^(z − maximum) = sum.
struct RowSum {
  float maximum;
  double sum;
};

// z of a logit: capped, or itself.
struct Plain {
  [[gnu::always_inline]] float operator()(float x) const { return x; }
};
struct Capped {
  float cap, inverse;
  [[gnu::always_inline]] float operator()(float x) const {
    return cap * hyperbolic_tangent(x * inverse);
  }
};

template <typename Number, typename Cap>
[[gnu::always_inline]] inline RowSum row_sum(const Number* logits, int64_t count, const Cap& cap) {
  RowSum row{kFloor, 0.0};
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t length = count - begin < kBlock ? count - begin : kBlock;
    const Number* block = logits + begin;
    float values[kBlock];
    float largest = row.maximum;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < length; ++i) {
      values[i] = cap(number(block[i]));
      largest = values[i] > largest ? values[i] : largest;
    }
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < length; ++i) sum += exponential(values[i] - largest);
    row.sum = row.sum * static_cast<double>(exponential(row.maximum - largest)) +
              static_cast<double>(sum);
    row.maximum = largest;
  }
  return row;
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline float row_loss(const Number* logits, int64_t target,
                                             const RowSum& row, const Cap& cap) {
  const double at_target = static_cast<double>(cap(number(logits[target])));
  return static_cast<float>(std::log(row.sum) + static_cast<double>(row.maximum) - at_target);
}

template <typename Number>
[[gnu::always_inline]] inline void to_gradient(Number* logits, int64_t target, const RowSum& row,
                                               int64_t count, const Plain&) {
  const auto inverse = static_cast<float>(1.0 / row.sum);
  const float maximum = row.maximum;
  const float at_target = exponential(number(logits[target]) - maximum) * inverse - 1.0f;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i)
    store_number(exponential(number(logits[i]) - maximum) * inverse, logits + i);
  store_number(at_target, logits + target);
}

template <typename Number>
[[gnu::always_inline]] inline void to_gradient(Number* logits, int64_t target, const RowSum& row,
                                               int64_t count, const Capped& cap) {
  const auto inverse = static_cast<float>(1.0 / row.sum);
  const float maximum = row.maximum;
  const auto slope_at = [&](float x, float one_hot) __attribute__((always_inline)) {
    const float t = hyperbolic_tangent(x * cap.inverse);
    return (exponential(cap.cap * t - maximum) * inverse - one_hot) * (1.0f - t * t);
  };
  const float at_target = slope_at(number(logits[target]), 1.0f);
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) store_number(slope_at(number(logits[i]), 0.0f), logits + i);
  store_number(at_target, logits + target);
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline void losses_of(const Number* logits, const int64_t* targets,
                                             float* losses, const LogitRows& shape,
                                             const Cap& cap) {
  for (int64_t r = 0; r < shape.rows; ++r, logits += shape.vocabulary)
    losses[r] = targets[r] == kNone
                    ? 0.0f
                    : row_loss(logits, targets[r], row_sum(logits, shape.vocabulary, cap), cap);
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline void losses_and_gradients(Number* logits, const int64_t* targets,
                                                        float* losses, const LogitRows& shape,
                                                        const Cap& cap) {
  for (int64_t r = 0; r < shape.rows; ++r, logits += shape.vocabulary) {
    if (targets[r] == kNone) {
      losses[r] = 0.0f;
      for (int64_t i = 0; i < shape.vocabulary; ++i) store_number(0.0f, logits + i);
      continue;
    }
    const RowSum row = row_sum(logits, shape.vocabulary, cap);
    losses[r] = row_loss(logits, targets[r], row, cap);
    to_gradient(logits, targets[r], row, shape.vocabulary, cap);
  }
}

}  // namespace

SLMTUNE_VECTOR_VARIANTS
void cross_entropy_rows(const float* logits, const int64_t* targets, float* losses,
                        LogitRows shape) {
  if (shape.soft_cap > 0.0f)
    losses_of(logits, targets, losses, shape, Capped{shape.soft_cap, 1.0f / shape.soft_cap});
  else
    losses_of(logits, targets, losses, shape, Plain{});
}
SLMTUNE_VECTOR_VARIANTS
void cross_entropy_rows(const BFloat16Bits* logits, const int64_t* targets, float* losses,
                        LogitRows shape) {
  if (shape.soft_cap > 0.0f)
    losses_of(logits, targets, losses, shape, Capped{shape.soft_cap, 1.0f / shape.soft_cap});
  else
    losses_of(logits, targets, losses, shape, Plain{});
}

SLMTUNE_VECTOR_VARIANTS
void cross_entropy_rows_in_place(float* logits, const int64_t* targets, float* losses,
                                 LogitRows shape) {
  const Capped cap{shape.soft_cap, 1.0f / shape.soft_cap};
  if (shape.soft_cap > 0.0f)
    losses_and_gradients(logits, targets, losses, shape, cap);
  else
    losses_and_gradients(logits, targets, losses, shape, Plain{});
}
SLMTUNE_VECTOR_VARIANTS
void cross_entropy_rows_in_place(BFloat16Bits* logits, const int64_t* targets, float* losses,
                                 LogitRows shape) {
  const Capped cap{shape.soft_cap, 1.0f / shape.soft_cap};
  if (shape.soft_cap > 0.0f)
    losses_and_gradients(logits, targets, losses, shape, cap);
  else
    losses_and_gradients(logits, targets, losses, shape, Plain{});
}

}  // namespace slmtune::kernels
