#include "kernels/adamw/moment_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "kernels/vector_variants.h"

namespace slmtune::kernels {
namespace {

constexpr uint32_t kSign = 0x8000, kInfinite = 0x7F80;

float beginning(uint32_t key) {
  return std::bit_cast<float>(key << 16);
}

// The code of the smallest value whose upper half is `key`; of no other key's values are more than
// two codes. Of negative ones the smallest is the largest in magnitude, just inside the next key.
int32_t lowest_code(const DynamicMap& middles, uint32_t key) {
  const uint32_t magnitude = key & ~kSign;
  if (magnitude >= kInfinite) return 0;
  const auto end = middles.end() - 1;
  const auto above = (key & kSign) != 0
                         ? std::upper_bound(middles.begin(), end, -beginning(magnitude + 1))
                         : std::lower_bound(middles.begin(), end, beginning(magnitude));
  return static_cast<int32_t>(above - middles.begin());
}

std::unique_ptr<CodeTable> make_table(const DynamicMap& map) {
  auto table = std::make_unique<CodeTable>();
  table->map = map;
  for (size_t i = 0; i + 1 < map.size(); ++i) table->middles[i] = (map[i] + map[i + 1]) * 0.5f;
  table->middles.back() = HUGE_VALF;
  for (uint32_t key = 0; key < table->lowest.size(); ++key)
    table->lowest[key] = lowest_code(table->middles, key);
  return table;
}

}  // namespace

const CodeTable& signed_codes() {
  static const std::unique_ptr<const CodeTable> table = make_table(signed_dynamic_map());
  return *table;
}

const CodeTable& unsigned_codes() {
  static const std::unique_ptr<const CodeTable> table = make_table(unsigned_dynamic_map());
  return *table;
}

SLMTUNE_VECTOR_VARIANTS
void nearest_codes(const CodeTable& table, const float* x, float inverse, int64_t count,
                   int32_t* codes) {
  const int32_t* lowest = table.lowest.data();
  const float* middles = table.middles.data();
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float value = x[i] * inverse;
    const int32_t code = lowest[std::bit_cast<uint32_t>(value) >> 16];
    codes[i] = code + (value > middles[code] ? 1 : 0);
  }
}

}  // namespace slmtune::kernels
