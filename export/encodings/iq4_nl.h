// Blocks of 32 with sixteen levels that stand for uneven values (iq4_nl).
#pragma once
#include <algorithm>
#include <array>

#include "export/encodings/blocks_of_32.h"

namespace slmtune::exporting::iq4_nl {

using blocks_of_32::kBlock;
using Block = blocks_of_32::Layout<4, false>;

// What the sixteen levels stand for, times the scale (ggml-common.h, kvalues_iq4nl).
constexpr std::array<int, 16> kValues = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
constexpr int kTries = 7;  // on either side

SLMTUNE_INLINE constexpr float middle_below(size_t level) {
  return 0.5f * static_cast<float>(kValues[level - 1] + kValues[level]);
}

// Level of the value nearest to x, the upper one of two. NaN is level 15.
SLMTUNE_INLINE Floats nearest_level(Floats x) {
  Floats level = 0.0f;
  for (size_t i = 1; i < kValues.size(); ++i)
    level = select(x < middle_below(i), level, static_cast<float>(i));
  return level;
}

// What that level stands for.
SLMTUNE_INLINE Floats nearest_value(Floats x) {
  Floats value = static_cast<float>(kValues[0]);
  for (size_t i = 1; i < kValues.size(); ++i)
    value = select(x < middle_below(i), value, static_cast<float>(kValues[i]));
  return value;
}

struct Fit {
  Floats product = {}, square = {};  // weighted sums of value · x and value²
};

SLMTUNE_INLINE Fit fit_of(const Floats* x, const Floats* weight, Floats inverse) {
  Fit fit;
  for (int i = 0; i < kBlock; ++i) {
    const Floats value = nearest_value(inverse * x[i]);
    fit.product += weight[i] * value * x[i];
    fit.square += weight[i] * value * value;
  }
  return fit;
}

// The best of scales around the one that makes the extreme element the first value.
SLMTUNE_INLINE Floats best_scale(const Floats* x, const Floats* weight) {
  const Extreme<Floats> extreme = extreme_of<kBlock>(x);
  const auto first = static_cast<float>(kValues[0]);
  Fit fit = fit_of(x, weight, 1.0f / (-extreme.value / first));
  Floats scale = select(fit.square > 0.0f, fit.product / fit.square, Floats{});
  Floats best = scale * fit.product;
  for (int i = -kTries; i <= kTries; ++i) {
    fit = fit_of(x, weight, static_cast<float>(i + kValues[0]) / extreme.value);
    const Mask better = (fit.square > 0.0f) & (fit.product * fit.product > best * fit.square);
    scale = select(better, fit.product / fit.square, scale);
    best = select(better, scale * fit.product, best);
  }
  return select(extreme.magnitude < kSmallestMagnitude, Floats{}, scale);
}

// Weights are x², or with importance: importance · √(twice the mean square of the block + x²).
SLMTUNE_INLINE void weigh(const Floats* x, const float* importance, int64_t blocks,
                          Floats* weight) {
  Floats spread = {};
  for (int i = 0; i < kBlock; ++i) spread += x[i] * x[i];
  spread *= 2.0f / kBlock;
  if (importance != nullptr) load_lanes<kBlock>(importance, blocks, weight);
  for (int i = 0; i < kBlock; ++i)
    weight[i] = importance != nullptr ? weight[i] * square_root(spread + x[i] * x[i]) : x[i] * x[i];
}

SLMTUNE_INLINE void encode_blocks(std::span<const float> in, const float* importance,
                                  std::byte* out) {
  const auto all = static_cast<int64_t>(in.size()) / kBlock;
  for (int64_t first = 0; first < all; first += kLanes) {
    const int64_t blocks = std::min<int64_t>(kLanes, all - first), start = first * kBlock;
    Floats x[kBlock], weight[kBlock];
    load_lanes<kBlock>(&in[start], blocks, x);
    weigh(x, importance == nullptr ? nullptr : importance + start, blocks, weight);
    const Floats scale = best_scale(x, weight);
    const Floats inverse = select(scale != 0.0f, 1.0f / scale, Floats{});
    float scales[kLanes];
    scale.store(scales);
    for (int i = 0; i < kBlock; ++i) x[i] = nearest_level(inverse * x[i]);
    uint8_t level[kLanes * kBlock];
    store_lanes<kBlock>(x, blocks, level);
    for (int lane = 0; lane < blocks; ++lane, out += Block::kBytes) {
      store_half(scales[lane], out);
      blocks_of_32::pack<Block>(level + lane * kBlock, out);
    }
  }
}

}  // namespace slmtune::exporting::iq4_nl
