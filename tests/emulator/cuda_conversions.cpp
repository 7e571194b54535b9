#include "tests/emulator/cuda_conversions.h"

#if __has_include(<cuda_bf16.h>) && __has_include(<cuda_fp16.h>)
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>

namespace slmtune::emulator_tests {
namespace {

template <typename To, typename From>
To bits_of(const From& value) {
  static_assert(sizeof(To) == sizeof(From));
  To bits;
  std::memcpy(&bits, static_cast<const void*>(&value), sizeof(bits));
  return bits;
}
template <typename Narrow>
Narrow from_bits(uint16_t bits) {
  Narrow value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof(bits));
  return value;
}

}  // namespace

bool has_cuda_conversions() {
  return true;
}
uint16_t cuda_bf16_of(float value) {
  return bits_of<uint16_t>(__float2bfloat16_rn(value));
}
uint16_t cuda_half_of(float value) {
  return bits_of<uint16_t>(__float2half_rn(value));
}
uint32_t cuda_bf16_to_float(uint16_t bits) {
  return bits_of<uint32_t>(__bfloat162float(from_bits<__nv_bfloat16>(bits)));
}
uint32_t cuda_half_to_float(uint16_t bits) {
  return bits_of<uint32_t>(__half2float(from_bits<__half>(bits)));
}

}  // namespace slmtune::emulator_tests

#else

namespace slmtune::emulator_tests {

bool has_cuda_conversions() {
  return false;
}
uint16_t cuda_bf16_of(float) {
  return 0;
}
uint16_t cuda_half_of(float) {
  return 0;
}
uint32_t cuda_bf16_to_float(uint16_t) {
  return 0;
}
uint32_t cuda_half_to_float(uint16_t) {
  return 0;
}

}  // namespace slmtune::emulator_tests

#endif
