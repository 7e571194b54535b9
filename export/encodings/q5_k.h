// The bytes of a q5_k super-block.
#pragma once
#include "export/encodings/k_with_minimum.h"

namespace slmtune::exporting::k_blocks {

// After the head: the levels' fifth bits, bit j of byte i for element i of part j, then their low
// four bits as in q4_k.
struct Q5K {
  static constexpr int kFifthBits = kBlock / 8;
  static constexpr int kLevels = 31, kBlockBytes = kHead + kFifthBits + kBlock / 2;
  static constexpr Steps kSteps{-0.5f, 0.1f, 15};
  static constexpr bool kHeld = true;

  SLMTUNE_INLINE static void pack(const uint8_t* level, std::byte* out) {
    for (int i = 0; i < kPart; ++i) {
      int bits = 0;
      for (int j = 0; j < kParts; ++j) bits |= (level[kPart * j + i] >> 4) << j;
      out[i] = static_cast<std::byte>(bits);
    }
    for (int chunk = 0; chunk < kBlock / 64; ++chunk)
      for (int i = 0; i < 32; ++i) {
        const uint8_t* first = level + 64 * chunk + i;
        const int byte = (first[0] & 15) | (first[32] & 15) << 4;
        out[kFifthBits + 32 * chunk + i] = static_cast<std::byte>(byte);
      }
  }
};

}  // namespace slmtune::exporting::k_blocks
