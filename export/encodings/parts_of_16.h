// What q2_k and q3_k share: super-blocks of 256 values in sixteen parts of 16, one part per lane,
// and the two low bits of the levels in 64 bytes: byte 32·h + i holds those of levels 128·h + i and
// of the ones 32, 64 and 96 behind it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "export/encodings/lanes.h"

namespace slmtune::exporting::parts_of_16 {

constexpr int kPart = 16, kBlock = kPart * kLanes;

SLMTUNE_INLINE void pack_two_bits(const uint8_t* level, std::byte* out) {
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const uint8_t* first = level + 128 * half + i;
      const int byte =
          (first[0] & 3) | (first[32] & 3) << 2 | (first[64] & 3) << 4 | first[96] << 6;
      out[32 * half + i] = static_cast<std::byte>(byte & 255);
    }
}

SLMTUNE_INLINE void unpack_two_bits(const std::byte* in, uint8_t* level) {
  for (int half = 0; half < 2; ++half)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i)
        level[128 * half + 32 * quarter + i] =
            static_cast<uint8_t>(in[32 * half + i] >> (2 * quarter)) & 3;
}

// Weights of a super-block's sixteen parts: importance · √(spread + x²), where spread is `factor`
// times the mean square of the super-block.
SLMTUNE_INLINE void weigh_parts(const float* values, const Floats* x, const float* importance,
                                float factor, Floats* weight) {
  float sum = 0.0f;
  for (int i = 0; i < kBlock; ++i) sum += values[i] * values[i];
  const float spread = factor * sum / kBlock;
  load_lanes<kPart>(importance, kLanes, weight);
  for (int i = 0; i < kPart; ++i) weight[i] *= square_root(spread + x[i] * x[i]);
}

}  // namespace slmtune::exporting::parts_of_16
