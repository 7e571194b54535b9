// CUDA's own host conversions, in a file of their own since their names are the emulator's too.
#pragma once
#include <cstdint>

namespace slmtune::emulator_tests {

bool has_cuda_conversions();
uint16_t cuda_bf16_of(float value);
uint16_t cuda_half_of(float value);
// As bits, so that NaN compares.
uint32_t cuda_bf16_to_float(uint16_t bits);
uint32_t cuda_half_to_float(uint16_t bits);

}  // namespace slmtune::emulator_tests
