// What q4_k, q5_k and q6_k share: super-blocks of 256 values, a number of them side by side.
#pragma once
#include <cstddef>
#include <span>

#include "export/encodings/block_fits.h"

namespace slmtune::exporting::k_blocks {

constexpr int kBlock = 256;

// Calls encode(values, weights, out, count) for each kTogether super-blocks; at the end `count` may
// be less, and values and weights are filled up with zeros. weights: nullptr without importance,
// which is of a row.
template <int kTogether>
SLMTUNE_INLINE void encode_together(std::span<const float> in, const float* importance,
                                    int block_bytes, std::byte* out, auto encode) {
  constexpr size_t kMany = size_t{kTogether} * kBlock;
  size_t first = 0;
  for (; first + kMany <= in.size(); first += kMany, out += kTogether * block_bytes)
    encode(in.data() + first, importance == nullptr ? nullptr : importance + first, out, kTogether);
  if (first == in.size()) return;
  float values[kMany] = {}, weights[kMany] = {};
  const size_t left = in.size() - first;
  std::memcpy(values, in.data() + first, left * sizeof(float));
  if (importance != nullptr) std::memcpy(weights, importance + first, left * sizeof(float));
  encode(values, importance == nullptr ? nullptr : weights, out, static_cast<int>(left / kBlock));
}

}  // namespace slmtune::exporting::k_blocks
