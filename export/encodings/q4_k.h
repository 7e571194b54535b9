// The bytes of a q4_k super-block.
#pragma once
#include "export/encodings/k_with_minimum.h"

namespace slmtune::exporting::k_blocks {

// After the head: 32 bytes for each 64 levels, the first 32 in the low halves.
struct Q4K {
  static constexpr int kLevels = 15, kBlockBytes = kHead + kBlock / 2;
  static constexpr Steps kSteps{-1.0f, 0.1f, 20};
  static constexpr bool kHeld = false;

  SLMTUNE_INLINE static void pack(const uint8_t* level, std::byte* out) {
    for (int chunk = 0; chunk < kBlock / 64; ++chunk)
      for (int i = 0; i < 32; ++i) {
        const uint8_t* first = level + 64 * chunk + i;
        out[32 * chunk + i] = static_cast<std::byte>(first[0] | first[32] << 4);
      }
  }
};

}  // namespace slmtune::exporting::k_blocks
