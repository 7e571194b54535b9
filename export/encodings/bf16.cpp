#include <cstring>

#include "core/dtype.h"
#include "export/encodings/encoding.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

SLMTUNE_VECTOR_VARIANTS
void encode_all(std::span<const float> in, std::byte* out) {
  for (size_t i = 0; i < in.size(); ++i) {
    const uint16_t bits = f32_to_bf16(in[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

SLMTUNE_VECTOR_VARIANTS
void decode_all(const std::byte* in, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = bf16_to_f32(bits);
  }
}

void encode(std::span<const float> in, int64_t, std::span<const float>, std::span<std::byte> out) {
  encode_all(in, out.data());
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_all(in.data(), out);
}

// Half a unit in the last of 8 significant bits; subnormal numbers have steps of 2^-133.
double error_bound(double largest) {
  return largest * 0x1p-8 + 0x1p-134;
}

}  // namespace

extern const Encoding kBf16;
const Encoding kBf16{"bf16", 30, 1, 2, 0x1.FFp127f, encode, decode, error_bound};

}  // namespace slmtune::exporting
