#include "export/encodings/q3_k.h"

#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using namespace q3_k;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q3_k.encode(in, columns, importance, out);
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(std::span<const std::byte> in, float* out) {
  for (size_t start = 0; start < in.size(); start += kBlockBytes, out += kBlock) {
    const std::byte* block = &in[start];
    uint8_t level[kBlock];
    parts_of_16::unpack_two_bits(block + kLevels, level);
    const float unit = load_half(block + kUnit);
    for (int j = 0; j < kLanes; ++j) {
      const float scale = unit * unpacked_scale(block + kScales, j);
      const std::byte* thirds = block + kPart * (j % 2);
      for (int i = 0; i < kPart; ++i) {
        const int third = static_cast<uint8_t>(thirds[i]) >> (j / 2) & 1;
        out[j * kPart + i] = scale * static_cast<float>(level[j * kPart + i] + 4 * third - 4);
      }
    }
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in, out.data());
}

// Levels lie on the source's side of zero or are zero, and a step is never more than twice the
// largest magnitude: a scale is a weighted mean of x / level over levels that are not zero.
double error_bound(double largest) {
  return largest * (1 + 0x1p-9) + 4 * 0x1p-25;
}

}  // namespace

extern const Encoding kQ3_K;
const Encoding kQ3_K{"q3_k", 11, kBlock, kBlockBytes, 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
