// Searches for the scale of a block whose rounding errors are least: those of ggml-quants.c
// (make_qx_quants, make_q3_quants, make_qkx2_quants and its twin make_qkx3_quants, make_qp_quants),
// to the order of every sum. V: Floats (sixteen blocks) or float (one). Levels are whole numbers in
// floats.
#pragma once
#include <cstdint>
#include <limits>

#include "export/encodings/lanes.h"

namespace slmtune::exporting {

constexpr float kSmallestMagnitude = 1e-15f;  // blocks below it count as zeros

// The element of greatest magnitude, the first of equals, and that magnitude. NaN is passed over.
template <typename V>
struct Extreme {
  V value = {}, magnitude = {};
};

template <int kBlock, typename V>
SLMTUNE_INLINE Extreme<V> extreme_of(const V* x) {
  Extreme<V> extreme;
  for (int i = 0; i < kBlock; ++i) {
    const V size = magnitude(x[i]);
    const auto greater = size > extreme.magnitude;
    extreme.value = select(greater, x[i], extreme.value);
    extreme.magnitude = select(greater, size, extreme.magnitude);
  }
  return extreme;
}

// x ≈ scale · (level − kLevels), level 0 … 2·kLevels − 1, where level − kLevels is nearest(inverse
// · x), held. Blocks of zeros have scale 0, levels 0 (as ggml stores them), and inverse NaN.
template <typename V>
struct SymmetricFit {
  V scale, inverse;

  template <int kLevels>
  SLMTUNE_INLINE V level(V x) const {
    const V level = nearest_within(inverse * x, -kLevels, kLevels - 1);
    return select(inverse == inverse, level + static_cast<float>(kLevels), V{});
  }
};

// Weighted sums of x · level and level².
template <typename V>
struct LevelSums {
  V product = {}, square = {};
};

// `weighted` is weight · x.
template <int kBlock, int kLevels, typename V>
SLMTUNE_INLINE LevelSums<V> level_sums(const V* x, const V* weight, const V* weighted, V inverse) {
  LevelSums<V> sums;
  for (int i = 0; i < kBlock; ++i) {
    const V level = nearest_within(inverse * x[i], -kLevels, kLevels - 1);
    sums.product += weighted[i] * level;
    sums.square += weight[i] * level * level;
  }
  return sums;
}

// Nineteen scales around the one that makes the extreme element −kLevels; each is made best for its
// levels.
template <int kBlock, int kLevels, typename V>
SLMTUNE_INLINE SymmetricFit<V> fit_symmetric(const V* x, const V* weight) {
  const Extreme<V> extreme = extreme_of<kBlock>(x);
  V weighted[kBlock];
  for (int i = 0; i < kBlock; ++i) weighted[i] = weight[i] * x[i];
  V inverse = -static_cast<float>(kLevels) / extreme.value;
  LevelSums<V> sums = level_sums<kBlock, kLevels>(x, weight, weighted, inverse);
  V scale = select(sums.square != 0.0f, sums.product / sums.square, V{});
  V best = scale * sums.product;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const V tried = -(kLevels + 0.1f * static_cast<float>(step)) / extreme.value;
    sums = level_sums<kBlock, kLevels>(x, weight, weighted, tried);
    const auto better = (sums.square > 0.0f) & (sums.product * sums.product > best * sums.square);
    const V fitted = sums.product / sums.square;
    scale = select(better, fitted, scale);
    best = select(better, fitted * sums.product, best);
    inverse = select(better, tried, inverse);
  }
  const auto zeros = extreme.magnitude < kSmallestMagnitude;
  return {select(zeros, V{}, scale), select(zeros, V{} + __builtin_nanf(""), inverse)};
}

// The same form by moving single levels, weighted by x²; which blocks changed.
struct MovingSums : LevelSums<Floats> {
  Mask changed = {};

  SLMTUNE_INLINE void add(Floats x, Floats level) {
    product += x * x * x * level;
    square += x * x * level * level;
  }

  // Takes the level that fits the others best, when the whole fits better with it.
  template <int kLevels>
  SLMTUNE_INLINE void move(Floats x, Floats& level) {
    const Floats weight = x * x;
    Floats others = product - weight * x * level, squares = square - weight * level * level;
    const Floats moved = nearest_within(x * squares / others, -kLevels, kLevels - 1);
    Mask better = (others > 0.0f) & (moved != level);
    others += weight * x * moved;
    squares += weight * moved * moved;
    better = better & (squares > 0.0f) & (others * others * square > product * product * squares);
    level = select(better, moved, level);
    product = select(better, others, product);
    square = select(better, squares, square);
    changed = changed | better;
  }
};

constexpr int kTogether = 4;  // groups of blocks

// Each move waits for the one before, so the groups take turns.
template <int kBlock, int kLevels>
SLMTUNE_INLINE void fit_by_moves(const Floats (*x)[kBlock], Floats (*level)[kBlock],
                                 Floats* scale) {
  MovingSums sums[kTogether];
  Mask zeros[kTogether];
  for (int g = 0; g < kTogether; ++g) {
    const Extreme<Floats> extreme = extreme_of<kBlock>(x[g]);
    zeros[g] = extreme.magnitude < kSmallestMagnitude;
    const Floats inverse = -static_cast<float>(kLevels) / extreme.value;
    for (int i = 0; i < kBlock; ++i) {
      level[g][i] = nearest_within(inverse * x[g][i], -kLevels, kLevels - 1);
      sums[g].add(x[g][i], level[g][i]);
    }
  }
  MovingSums first = sums[0], second = sums[1], third = sums[2], fourth = sums[3];  // in registers
  for (int round = 0; round < 5; ++round) {
    first.changed = second.changed = third.changed = fourth.changed = Mask{};
    for (int i = 0; i < kBlock; ++i) {
      first.move<kLevels>(x[0][i], level[0][i]);
      second.move<kLevels>(x[1][i], level[1][i]);
      third.move<kLevels>(x[2][i], level[2][i]);
      fourth.move<kLevels>(x[3][i], level[3][i]);
    }
    if (!any(first.changed | second.changed | third.changed | fourth.changed)) break;
  }
  const MovingSums last[kTogether] = {first, second, third, fourth};
  for (int g = 0; g < kTogether; ++g) {
    for (int i = 0; i < kBlock; ++i)
      level[g][i] = select(zeros[g], Floats{}, level[g][i] + static_cast<float>(kLevels));
    const Floats fitted = last[g].product / last[g].square;
    scale[g] = select(zeros[g], Floats{}, select(last[g].square > 0.0f, fitted, Floats{}));
  }
}

// Which ranges MinimumSearch tries: first + step · i + levels steps, i = 0 … last.
struct Steps {
  float first, step;
  int last;
};
constexpr Steps kWeightedSteps{-0.9f, 0.05f, 36};

// x ≈ scale · level − minimum, where level is the nearest to inverse · (x − origin), held within 0
// … levels: held before it is rounded, because an element without weight may lie anywhere. Blocks
// of one value at most 0, or so narrow that inverse is infinite, have scale 0 and levels 0.
struct MinimumFit {
  Floats scale, minimum, inverse, origin, weights;  // the last is the sum of the block's weights

  SLMTUNE_INLINE Floats level(Floats x, int levels) const {
    return nearest_within(held(inverse * (x - origin), static_cast<float>(levels)), 0, levels);
  }
};

// x ≈ scale · level + lowest, lowest <= 0, level 0 … kLevels: scale and lowest by weighted least
// squares for the levels of each tried scale, kept when the error is less. Element i of group g is
// x[i · kGroups + g]: sums of one group are formed while those of another wait. kAbsolute: errors
// count by magnitude instead of by square.
template <int kBlock, int kLevels, bool kAbsolute, int kGroups = 1>
class MinimumSearch {
 public:
  SLMTUNE_INLINE MinimumSearch(const Floats* x, const Floats* weight) : x_(x), weight_(weight) {
    for (int g = 0; g < kGroups; ++g) begin(g);
    measure(scale_, lowest_, error_);
  }

  SLMTUNE_INLINE void attempt_all(Steps steps) {
    for (int i = 0; i <= steps.last; ++i)
      attempt(steps.first + steps.step * static_cast<float>(i) + static_cast<float>(kLevels));
  }

  SLMTUNE_INLINE MinimumFit best(int g = 0) const {
    return {select(flat_[g], Floats{}, scale_[g]), -lowest_[g],
            select(flat_[g], Floats{}, inverse_[g]), origin_[g], weights_[g]};
  }

 private:
  SLMTUNE_INLINE void begin(int g) {
    Floats lowest = x_[g], highest = x_[g], weights = weight_[g], values = weight_[g] * x_[g];
    for (int i = kGroups + g; i < kBlock * kGroups; i += kGroups) {
      lowest = select(x_[i] < lowest, x_[i], lowest);
      highest = select(x_[i] > highest, x_[i], highest);
      weights += weight_[i];
      values += weight_[i] * x_[i];
    }
    lowest = select(lowest > 0.0f, Floats{}, lowest);
    inverse_[g] = static_cast<float>(kLevels) / (highest - lowest);
    flat_[g] = (highest == lowest) | (inverse_[g] == std::numeric_limits<float>::infinity());
    scale_[g] = 1.0f / inverse_[g];
    lowest_[g] = origin_[g] = lowest;
    highest_[g] = highest;
    weights_[g] = weights;
    values_[g] = values;
    for (int i = g; i < kBlock * kGroups; i += kGroups)
      level_[i] = nearest_within(inverse_[g] * (x_[i] - lowest), 0, kLevels);
  }

  // Levels for a range of `steps` steps, and what is best for them. make_qkx3_quants holds a level
  // before it rounds it (llama.cpp b11549; before, nearest() of what lies beyond 2^22 made it any
  // level). make_qkx2_quants rounds first, but accepts no fit that leaves an element so far out:
  // its weight grows with its magnitude.
  SLMTUNE_INLINE void attempt(float steps) {
    Floats inverse[kGroups], sum[kGroups], square[kGroups], product[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      inverse[g] = steps / (highest_[g] - lowest_[g]);
      sum[g] = square[g] = product[g] = Floats{};
    }
    for (int i = 0; i < kBlock; ++i)
      for (int g = 0; g < kGroups; ++g) {
        const Floats x = x_[i * kGroups + g];
        const Floats level = nearest_to_held(inverse[g] * (x - lowest_[g]), kLevels);
        const Floats weighted = weight_[i * kGroups + g] * level;
        sum[g] += weighted;
        square[g] += weighted * level;
        product[g] += weighted * x;
        level_[i * kGroups + g] = level;
      }
    Floats scale[kGroups], lowest[kGroups], error[kGroups];
    Mask solvable[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      const Floats determinant = weights_[g] * square[g] - sum[g] * sum[g];
      solvable[g] = determinant > 0.0f;
      scale[g] = (weights_[g] * product[g] - values_[g] * sum[g]) / determinant;
      lowest[g] = (square[g] * values_[g] - sum[g] * product[g]) / determinant;
      const Mask above = lowest[g] > 0.0f;
      lowest[g] = select(above, Floats{}, lowest[g]);
      scale[g] = select(above, product[g] / square[g], scale[g]);
    }
    measure(scale, lowest, error);
    for (int g = 0; g < kGroups; ++g) {
      const Mask better = solvable[g] & (error[g] < error_[g]) & (highest_[g] != lowest_[g]);
      error_[g] = select(better, error[g], error_[g]);
      scale_[g] = select(better, scale[g], scale_[g]);
      inverse_[g] = select(better, inverse[g], inverse_[g]);
      origin_[g] = select(better, lowest_[g], origin_[g]);
      lowest_[g] = select(better, lowest[g], lowest_[g]);
    }
  }

  SLMTUNE_INLINE void measure(const Floats* scale, const Floats* lowest, Floats* error) const {
    Floats sum[kGroups];
    for (int g = 0; g < kGroups; ++g) sum[g] = Floats{};
    for (int i = 0; i < kBlock; ++i)
      for (int g = 0; g < kGroups; ++g) {
        const Floats off = scale[g] * level_[i * kGroups + g] + lowest[g] - x_[i * kGroups + g];
        sum[g] += weight_[i * kGroups + g] * (kAbsolute ? magnitude(off) : off * off);
      }
    for (int g = 0; g < kGroups; ++g) error[g] = sum[g];
  }

  const Floats *x_, *weight_;
  Floats lowest_[kGroups], highest_[kGroups], weights_[kGroups], values_[kGroups], origin_[kGroups],
      inverse_[kGroups], scale_[kGroups], error_[kGroups], level_[kBlock * kGroups];
  Mask flat_[kGroups];
};

template <int kBlock, int kLevels, bool kAbsolute>
SLMTUNE_INLINE MinimumFit fit_with_minimum(const Floats* x, const Floats* weight, Steps steps) {
  MinimumSearch<kBlock, kLevels, kAbsolute> search(x, weight);
  search.attempt_all(steps);
  return search.best();
}

// x ≈ scale · level for x >= 0, level 0 … levels: a scale from nine tries, then single levels
// moved. `count` values; returns the scale. Levels are bytes in all sums, as in ggml.
float fit_positive(int count, int levels, const float* x, const float* weight, uint8_t* level);

}  // namespace slmtune::exporting
