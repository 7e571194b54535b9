#include "export/encodings/q5_k.h"
#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using namespace k_blocks;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q5_k.encode(in, columns, importance, out);
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(const std::byte* in, int64_t blocks, float* out) {
  for (int64_t b = 0; b < blocks; ++b, in += Q5K::kBlockBytes, out += kBlock) {
    const Stored stored = load_head(in);
    const auto* fifth = reinterpret_cast<const uint8_t*>(in + kHead);
    for (int j = 0; j < kParts; ++j) {
      const float scale = stored.scale[j], minimum = stored.minimum[j];
      const uint8_t* from = fifth + Q5K::kFifthBits + 32 * (j / 2);
      const int shift = j % 2 * 4;
      for (int i = 0; i < kPart; ++i) {
        const int level = ((from[i] >> shift) & 15) | ((fifth[i] >> j) & 1) << 4;
        out[j * kPart + i] = scale * static_cast<float>(level) - minimum;
      }
    }
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in.data(), static_cast<int64_t>(in.size()) / Q5K::kBlockBytes, out.data());
}

// As for q4_k, with 31 steps.
double error_bound(double largest) {
  return 0.3 * largest + 63 * 32 * 0x1p-25;
}

}  // namespace

extern const Encoding kQ5_K;
const Encoding kQ5_K{"q5_k",           13,     kBlock, Q5K::kBlockBytes,
                     32.0f * 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
