// The 16-bit formats as float32, a run of values at a time: vectorised plain loops over raw
// pointers, without LibTorch.
#pragma once
#include <cstdint>

namespace slmtune::kernels {

void widen_bfloat16(const uint16_t* bits, int64_t count, float* values);
void widen_float16(const uint16_t* bits, int64_t count, float* values);

}  // namespace slmtune::kernels
