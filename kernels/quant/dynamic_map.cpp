#include "kernels/quant/dynamic_map.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace slmtune::kernels {
namespace {

// Middles of `edges` - 1 equal parts of [0.1, 1], in float as torch.linspace makes them: from both
// ends towards the middle, each edge rounded once.
std::vector<float> middles(int edges) {
  const float step = (1.0f - 0.1f) / static_cast<float>(edges - 1);
  std::vector<float> edge, middle;
  for (int i = 0; i < edges; ++i)
    edge.push_back(i < edges / 2 ? std::fma(step, static_cast<float>(i), 0.1f)
                                 : std::fma(-step, static_cast<float>(edges - 1 - i), 1.0f));
  for (size_t i = 0; i + 1 < edge.size(); ++i) middle.push_back((edge[i] + edge[i + 1]) / 2.0f);
  return middle;
}

DynamicMap make_map(bool with_sign) {
  constexpr int kDecades = 7;
  std::vector<float> values = {0.0f, 1.0f};
  for (int decade = 0; decade < kDecades; ++decade) {
    const auto scale = static_cast<float>(std::pow(10.0, decade - (kDecades - 1)));
    for (float middle : middles((1 << (with_sign ? decade : decade + 1)) + 1)) {
      values.push_back(scale * middle);
      if (with_sign) values.push_back(-scale * middle);
    }
  }
  std::sort(values.begin(), values.end());
  DynamicMap map{};
  std::copy(values.begin(), values.end(), map.begin());
  return map;
}

// Middles between neighbours; the last place is unused.
DynamicMap middles_between(const DynamicMap& map) {
  DynamicMap between{};
  for (size_t i = 0; i + 1 < map.size(); ++i) between[i] = (map[i] + map[i + 1]) * 0.5f;
  return between;
}

// The number of middles below x, by halving without a branch that could be guessed wrongly.
uint8_t code_below(const DynamicMap& between, float x) {
  size_t code = 0;
  for (size_t half = 128; half > 0; half /= 2) code += x > between[code + half - 1] ? half : 0;
  return static_cast<uint8_t>(code);
}

}  // namespace

const DynamicMap& signed_dynamic_map() {
  static const DynamicMap map = make_map(true);
  return map;
}

const DynamicMap& unsigned_dynamic_map() {
  static const DynamicMap map = make_map(false);
  return map;
}

uint8_t nearest_code(const DynamicMap& map, float x) {
  return code_below(middles_between(map), x);
}

void quantise_dynamic(const DynamicMap& map, const float* x, int64_t count, int64_t block,
                      uint8_t* codes, float* absmax) {
  const DynamicMap between = middles_between(map);
  for (int64_t start = 0; start < count; start += block) {
    const int64_t stop = std::min(start + block, count);
    float largest = 0.0f;
    for (int64_t i = start; i < stop; ++i) largest = std::max(largest, std::abs(x[i]));
    absmax[start / block] = largest;
    const float scale = largest > 0.0f ? 1.0f / largest : 0.0f;
    for (int64_t i = start; i < stop; ++i) codes[i] = code_below(between, x[i] * scale);
  }
}

}  // namespace slmtune::kernels
