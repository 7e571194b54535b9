#include <cstring>

#include "core/dtype.h"
#include "export/encodings/encoding.h"

namespace slmtune::exporting {
namespace {

void encode(std::span<const float> in, std::span<std::byte> out) {
  for (size_t i = 0; i < in.size(); ++i) {
    uint16_t bits = f32_to_bf16(in[i]);
    std::memcpy(out.data() + 2 * i, &bits, 2);
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, in.data() + 2 * i, 2);
    out[i] = bf16_to_f32(bits);
  }
}

// Half a unit in the last of 8 significant bits; subnormal numbers have steps of 2^-133.
double error_bound(double largest) {
  return largest * 0x1p-8 + 0x1p-134;
}

}  // namespace

extern const Encoding kBf16;
const Encoding kBf16{"bf16", 30, 32, 1, 2, 0x1.FFp127f, encode, decode, error_bound};

}  // namespace slmtune::exporting
