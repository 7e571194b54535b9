#include "kernels/cross_entropy/cross_entropy_rows.h"

#include <cmath>
#include <vector>

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

// z of a logit: capped, or itself; and dz/dlogit.
struct Plain {
  [[gnu::always_inline]] float operator()(float x) const { return x; }
  [[gnu::always_inline]] float slope(float) const { return 1.0f; }
};
struct Capped {
  float cap, inverse;
  [[gnu::always_inline]] float operator()(float x) const {
    return cap * hyperbolic_tangent(x * inverse);
  }
  [[gnu::always_inline]] float slope(float x) const {
    const float t = hyperbolic_tangent(x * inverse);
    return 1.0f - t * t;
  }
};

// e^(z − m) of a row, m the largest z up to the end of its block.
struct Exponentials {
  explicit Exponentials(int64_t count)
      : values(static_cast<size_t>(count)), maxima(static_cast<size_t>(count / kBlock + 1)) {}
  std::vector<float> values, maxima;
};

// `kept`: null where nobody asks for the exponentials again.
template <typename Number, typename Cap>
[[gnu::always_inline]] inline RowSum row_sum(const Number* logits, int64_t count, const Cap& cap,
                                             Exponentials* kept) {
  RowSum row{kFloor, 0.0};
  float scratch[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t length = count - begin < kBlock ? count - begin : kBlock;
    const Number* block = logits + begin;
    float* values = kept != nullptr ? kept->values.data() + begin : scratch;
    float largest = row.maximum;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < length; ++i) {
      values[i] = cap(number(block[i]));
      largest = values[i] > largest ? values[i] : largest;
    }
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < length; ++i) {
      values[i] = exponential_to_88(values[i] - largest);
      sum += values[i];
    }
    row.sum = row.sum * static_cast<double>(exponential_to_88(row.maximum - largest)) +
              static_cast<double>(sum);
    row.maximum = largest;
    if (kept != nullptr) kept->maxima[static_cast<size_t>(begin / kBlock)] = largest;
  }
  return row;
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline float row_loss(const Number* logits, int64_t target,
                                             const RowSum& row, const Cap& cap) {
  const double at_target = static_cast<double>(cap(number(logits[target])));
  return static_cast<float>(std::log(row.sum) + static_cast<double>(row.maximum) - at_target);
}

// (e^(z − maximum) / sum − onehot) · dz/dlogit
template <typename Number, typename Cap>
[[gnu::always_inline]] inline void to_gradient(Number* logits, int64_t target, const RowSum& row,
                                               int64_t count, const Cap& cap,
                                               const Exponentials& kept) {
  const auto inverse = static_cast<float>(1.0 / row.sum);
  const float x = number(logits[target]);
  const float at_target = (exponential_to_88(cap(x) - row.maximum) * inverse - 1.0f) * cap.slope(x);
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t length = count - begin < kBlock ? count - begin : kBlock;
    const float factor =
        exponential_to_88(kept.maxima[static_cast<size_t>(begin / kBlock)] - row.maximum) * inverse;
    const float* values = kept.values.data() + begin;
    Number* block = logits + begin;
#pragma omp simd
    for (int64_t i = 0; i < length; ++i)
      store_number(values[i] * factor * cap.slope(number(block[i])), block + i);
  }
  store_number(at_target, logits + target);
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline void losses_of(const Number* logits, const int64_t* targets,
                                             float* losses, const LogitRows& shape,
                                             const Cap& cap) {
  for (int64_t r = 0; r < shape.rows; ++r, logits += shape.vocabulary)
    losses[r] =
        targets[r] == kNone
            ? 0.0f
            : row_loss(logits, targets[r], row_sum(logits, shape.vocabulary, cap, nullptr), cap);
}

template <typename Number, typename Cap>
[[gnu::always_inline]] inline void losses_and_gradients(Number* logits, const int64_t* targets,
                                                        float* losses, const LogitRows& shape,
                                                        const Cap& cap) {
  Exponentials kept(shape.vocabulary);
  for (int64_t r = 0; r < shape.rows; ++r, logits += shape.vocabulary) {
    if (targets[r] == kNone) {
      losses[r] = 0.0f;
      for (int64_t i = 0; i < shape.vocabulary; ++i) store_number(0.0f, logits + i);
      continue;
    }
    const RowSum row = row_sum(logits, shape.vocabulary, cap, &kept);
    losses[r] = row_loss(logits, targets[r], row, cap);
    to_gradient(logits, targets[r], row, shape.vocabulary, cap, kept);
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
