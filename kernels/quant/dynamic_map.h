// The 8-bit "dynamic" code of bitsandbytes: 256 values, dense near zero, as the 4-bit weights'
// block scales and 8-bit Adam states use it (8-Bit Approximations for Parallelism in Deep Learning,
// https://arxiv.org/abs/1511.04561; bitsandbytes, functional.py, create_dynamic_map). Plain loops
// over raw pointers, without LibTorch.
#pragma once
#include <array>
#include <cstdint>

namespace slmtune::kernels {

using DynamicMap = std::array<float, 256>;

// Sorted; from −0.99296874 to 1.0, with 0 at index 127.
const DynamicMap& signed_dynamic_map();
// Sorted; from 0 to 1.0.
const DynamicMap& unsigned_dynamic_map();

// Index of the value of `map` that is nearest to x; the lower of two equally near.
uint8_t nearest_code(const DynamicMap& map, float x);

// Blocks of `block` values (the last may be shorter): absmax[b] = max |x|, codes[i] =
// nearest_code(x · (1 / absmax[b])). A block of zeros gets absmax 0 and the code of 0.
void quantise_dynamic(const DynamicMap& map, const float* x, int64_t count, int64_t block,
                      uint8_t* codes, float* absmax);

}  // namespace slmtune::kernels
