// The constants of NormalFloat-4 (QLoRA, https://arxiv.org/abs/2305.14314, appendix E), for the
// loops (nf4_blocks.cpp) and the kernels (nf4.cu).
#pragma once
#include <array>
#include <cstddef>

namespace slmtune::kernels {

inline constexpr std::array<float, 16> kNf4Values = {-1.0f,
                                                     -0.6961928009986877f,
                                                     -0.5250730514526367f,
                                                     -0.39491748809814453f,
                                                     -0.28444138169288635f,
                                                     -0.18477343022823334f,
                                                     -0.09105003625154495f,
                                                     0.0f,
                                                     0.07958029955625534f,
                                                     0.16093020141124725f,
                                                     0.24611230194568634f,
                                                     0.33791524171829224f,
                                                     0.44070982933044434f,
                                                     0.5626170039176941f,
                                                     0.7229568362236023f,
                                                     1.0f};

// Middles between neighbours: a weight's index is the number of them that lie below it.
inline constexpr std::array<float, 15> kNf4Middles = [] {
  std::array<float, 15> middles{};
  for (size_t i = 0; i < 15; ++i) middles[i] = (kNf4Values[i] + kNf4Values[i + 1]) / 2.0f;
  return middles;
}();

// Below this a reciprocal would overflow; bitsandbytes uses the same floor.
inline constexpr float kNf4SmallestScale = 1e-38f;
// Fills the last byte of an odd count: the index of 0.
inline constexpr int kNf4Zero = 7;

}  // namespace slmtune::kernels
