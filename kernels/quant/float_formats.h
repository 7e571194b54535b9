// Conversions between float32 and the 16-bit formats, a run of values at a time: vectorised plain
// loops over raw pointers, without LibTorch. Rounding is to the nearest, ties to even.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

void widen_bfloat16(const uint16_t* bits, int64_t count, float* values);
void widen_float16(const uint16_t* bits, int64_t count, float* values);

// Bits of the nearest bfloat16; a NaN stays one.
void narrow_to_bfloat16(const float* values, int64_t count, uint16_t* bits);

// Each value becomes the nearest that the format holds, still as float32. In float16, magnitudes of
// 65520 and more become infinite.
void round_to_bfloat16(float* values, int64_t count);
void round_to_float16(float* values, int64_t count);

}  // namespace slmtune::kernels
