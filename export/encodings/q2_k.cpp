#include "export/encodings/q2_k.h"

#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using namespace q2_k;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q2_k.encode(in, columns, importance, out);
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(std::span<const std::byte> in, float* out) {
  for (size_t start = 0; start < in.size(); start += kBlockBytes) {
    const std::byte* block = &in[start];
    uint8_t level[kBlock];
    parts_of_16::unpack_two_bits(block + kLevels, level);
    const float unit = load_half(block + kScale), minimum_unit = load_half(block + kMinimum);
    for (int j = 0; j < kLanes; ++j) {
      const auto byte = static_cast<uint8_t>(block[j]);
      const float scale = unit * static_cast<float>(byte & 15);
      const float minimum = minimum_unit * static_cast<float>(byte >> 4);
      for (int i = 0; i < kPart; ++i)
        *out++ = scale * static_cast<float>(level[j * kPart + i]) - minimum;
    }
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in, out.data());
}

// Beyond the highest level: the source and the minimum, of which neither is much more than the
// largest magnitude; half a step otherwise. Blocks bred for a great error came to 0.86 · largest.
double error_bound(double largest) {
  return 2 * largest + 16 * 0x1p-25;
}

}  // namespace

extern const Encoding kQ2_K;
const Encoding kQ2_K{"q2_k", 10, kBlock, kBlockBytes, 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
