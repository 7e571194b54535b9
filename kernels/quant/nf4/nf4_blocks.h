// NormalFloat-4 blocks: 4-bit indices into 16 fixed values, scaled by the block's largest magnitude
// (QLoRA, https://arxiv.org/abs/2305.14314, appendix E). Two weights a byte, the first in the high
// half; bytes and scales are those of bitsandbytes. Plain loops over raw pointers, without
// LibTorch; the caller shares the work among threads. `use` must be available on this machine; the
// results are the same bits whichever is used.
//
// Bound: reading 0.5 and writing 4 bytes a weight, so memory bandwidth.
#pragma once
#include <array>
#include <cstdint>

#include "kernels/instructions.h"

namespace slmtune::kernels {

// Ascending, from −1 to 1, with 0 at index 7.
const std::array<float, 16>& nf4_values();

// count weights -> (count + 1) / 2 bytes and one scale per `block` weights; `block` is even. The
// index of a weight is the number of middles between neighbouring values that lie below w · (1 /
// absmax); a block of zeros gets index 7.
void quantise_nf4(const float* weights, int64_t count, int64_t block, uint8_t* packed,
                  float* absmax, Instructions use = widest_instructions());

// out[i] = value[index[i]] · absmax[i / block], the product in float32; `block` is a multiple
// of 32.
void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    float* out, Instructions use = widest_instructions());
// The same, rounded to the nearest bfloat16 (bits).
void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    uint16_t* out, Instructions use = widest_instructions());

}  // namespace slmtune::kernels
