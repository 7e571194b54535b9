#include "export/encodings/block_numbers.h"
#include "export/encodings/encoding.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

SLMTUNE_VECTOR_VARIANTS
void encode_all(std::span<const float> in, std::byte* out) {
  for (size_t i = 0; i < in.size(); ++i) store_half(in[i], out + 2 * i);
}

SLMTUNE_VECTOR_VARIANTS
void decode_all(const std::byte* in, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = load_half(in + 2 * i);
}

void encode(std::span<const float> in, int64_t, std::span<const float>, std::span<std::byte> out) {
  encode_all(in, out.data());
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_all(in.data(), out);
}

// Half a unit in the last of 11 significant bits; below 2^-14 the step stays 2^-24.
double error_bound(double largest) {
  return largest * 0x1p-11 + 0x1p-25;
}

}  // namespace

extern const Encoding kF16;
const Encoding kF16{"f16", 1, 1, 2, 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
