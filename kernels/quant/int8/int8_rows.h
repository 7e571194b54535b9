// Row-wise 8-bit codes: code = round(w · 127 / absmax(row)), ties to even, and back. Plain loops
// over raw pointers, without LibTorch; the caller shares the rows among threads.
//
// Bound: reading 1 and writing 4 or 2 bytes a weight, so memory bandwidth.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

float largest_magnitude(const float* row, int64_t count);
// `scale` is 127 / absmax, or 0 for a row of zeros.
void quantise_int8(const float* row, int64_t count, float scale, int8_t* codes);

// out[i] = codes[i] · step in float32, where step is absmax / 127.
void dequantise_int8(const int8_t* codes, int64_t count, float step, float* out);
// The same, rounded to the nearest bfloat16 (bits).
void dequantise_int8(const int8_t* codes, int64_t count, float step, uint16_t* out);

}  // namespace slmtune::kernels
