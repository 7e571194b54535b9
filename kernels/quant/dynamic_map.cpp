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
  const auto above = std::lower_bound(map.begin(), map.end(), x);
  if (above == map.begin()) return 0;
  if (above == map.end()) return 255;
  const auto index = static_cast<uint8_t>(above - map.begin());
  const float middle = (map[index - 1u] + map[index]) * 0.5f;
  return x > middle ? index : static_cast<uint8_t>(index - 1);
}

void quantise_dynamic(const DynamicMap& map, const float* x, int64_t count, int64_t block,
                      uint8_t* codes, float* absmax) {
  for (int64_t start = 0; start < count; start += block) {
    const int64_t stop = std::min(start + block, count);
    float largest = 0.0f;
    for (int64_t i = start; i < stop; ++i) largest = std::max(largest, std::abs(x[i]));
    absmax[start / block] = largest;
    const float scale = largest > 0.0f ? 1.0f / largest : 0.0f;
    for (int64_t i = start; i < stop; ++i) codes[i] = nearest_code(map, x[i] * scale);
  }
}

}  // namespace slmtune::kernels
