#include <cstring>

#include "core/dtype.h"
#include "export/encodings/encoding.h"

namespace slmtune::exporting {
namespace {

void encode(std::span<const float> in, std::span<std::byte> out) {
  for (size_t i = 0; i < in.size(); ++i) {
    uint16_t bits = f32_to_f16(in[i]);
    std::memcpy(out.data() + 2 * i, &bits, 2);
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, in.data() + 2 * i, 2);
    out[i] = f16_to_f32(bits);
  }
}

// Half a unit in the last of 11 significant bits; below 2^-14 the step stays 2^-24.
double error_bound(double largest) {
  return largest * 0x1p-11 + 0x1p-25;
}

}  // namespace

extern const Encoding kF16;
const Encoding kF16{"f16", 1, 1, 1, 2, 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
