// Nearest codes of the 8-bit dynamic maps (kernels/quant/dynamic_map.h) for many values at once: a
// table by the upper half of a float gives the code or the one below it, and one comparison which.
#pragma once
#include <array>
#include <cstdint>

#include "kernels/quant/dynamic_map.h"

namespace slmtune::kernels {

struct CodeTable {
  DynamicMap map{};
  DynamicMap middles{};                   // between neighbours; the last is infinite
  std::array<int32_t, 1 << 16> lowest{};  // by sign, exponent and 7 bits of a float: the code of
                                          // the smallest value that begins so
};

const CodeTable& signed_codes();
const CodeTable& unsigned_codes();

// codes[i] = nearest_code(table.map, x[i] · inverse). Products must be numbers.
void nearest_codes(const CodeTable& table, const float* x, float inverse, int64_t count,
                   int32_t* codes);

}  // namespace slmtune::kernels
