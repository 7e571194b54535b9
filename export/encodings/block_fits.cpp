#include "export/encodings/block_fits.h"

#include <algorithm>

namespace slmtune::exporting {
namespace {

// Weighted sums of x · level and level².
struct Sums {
  float product = 0.0f, square = 0.0f;
};

int level_of(float value, int levels) {
  return std::min(levels, nearest(value));
}

float squared_error(int count, const float* x, const float* weight, float scale,
                    const auto& level_at) {
  float error = 0.0f;
  for (int i = 0; i < count; ++i) {
    const float off = x[i] - scale * static_cast<float>(level_at(i));
    error += weight[i] * off * off;
  }
  return error;
}

// True when a level changed.
bool move_levels(int count, int levels, const float* x, const float* weight, uint8_t* level,
                 Sums& sums) {
  bool changed = false;
  for (int i = 0; i < count; ++i) {
    const float w = weight[i], old = level[i];
    Sums moved{sums.product - w * x[i] * old, sums.square - w * old * old};
    if (!(moved.product > 0.0f && moved.square > 0.0f)) continue;
    const int target = level_of(x[i] * moved.square / moved.product, levels);
    if (target == level[i]) continue;
    const auto to = static_cast<float>(target);
    moved.product += w * x[i] * to;
    moved.square += w * to * to;
    if (!(moved.product * moved.product * sums.square > sums.product * sums.product * moved.square))
      continue;
    level[i] = static_cast<uint8_t>(target);
    sums = moved;
    changed = true;
  }
  return changed;
}

}  // namespace

float fit_positive(int count, int levels, const float* x, const float* weight, uint8_t* level) {
  float largest = 0.0f;
  for (int i = 0; i < count; ++i) largest = largest > x[i] ? largest : x[i];
  if (largest < kSmallestMagnitude) {
    std::fill_n(level, count, uint8_t{0});
    return 0.0f;
  }
  float inverse = static_cast<float>(levels) / largest;
  float least = squared_error(count, x, weight, 1.0f / inverse,
                              [&](int i) { return static_cast<uint8_t>(nearest(inverse * x[i])); });
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float tried = (0.1f * static_cast<float>(step) + static_cast<float>(levels)) / largest;
    const float error = squared_error(count, x, weight, 1.0f / tried,
                                      [&](int i) { return level_of(tried * x[i], levels); });
    if (!(error < least)) continue;
    least = error;
    inverse = tried;
  }
  Sums sums;
  for (int i = 0; i < count; ++i) {
    const int chosen = level_of(inverse * x[i], levels);
    level[i] = static_cast<uint8_t>(chosen);
    const auto l = static_cast<float>(chosen);
    sums.product += weight[i] * x[i] * l;
    sums.square += weight[i] * l * l;
  }
  for (int round = 0; round < 5; ++round)
    if (!move_levels(count, levels, x, weight, level, sums)) break;
  return sums.square > 0.0f ? sums.product / sums.square : 0.0f;
}

}  // namespace slmtune::exporting
