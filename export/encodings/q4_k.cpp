#include "export/encodings/q4_k.h"
#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using namespace k_blocks;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q4_k.encode(in, columns, importance, out);
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(const std::byte* in, int64_t blocks, float* out) {
  for (int64_t b = 0; b < blocks; ++b, in += Q4K::kBlockBytes, out += kBlock) {
    const Stored stored = load_head(in);
    const auto* bytes = reinterpret_cast<const uint8_t*>(in + kHead);
    for (int j = 0; j < kParts; ++j) {
      const float scale = stored.scale[j], minimum = stored.minimum[j];
      const uint8_t* from = bytes + 32 * (j / 2);
      const int shift = j % 2 * 4;
      for (int i = 0; i < kPart; ++i)
        out[j * kPart + i] = scale * static_cast<float>((from[i] >> shift) & 15) - minimum;
    }
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in.data(), static_cast<int64_t>(in.size()) / Q4K::kBlockBytes, out.data());
}

// The accepted fit's weighted error is at most that of equal steps of range / 15, and a weight is
// at least 1/64 of their sum: at most four such steps off, with range <= 2 · largest. Rounding a
// scale to a multiple costs 15/126 of the greatest scale, the minimum 1/126 of the greatest
// minimum, and float16 units 63 · (15 + 1) · 2^-25 where they are subnormal.
double error_bound(double largest) {
  return 0.6 * largest + 63 * 16 * 0x1p-25;
}

}  // namespace

extern const Encoding kQ4_K;
// The minimum's unit is a 63rd of a magnitude, with room for a minimum below the least value.
const Encoding kQ4_K{"q4_k",           12,     kBlock, Q4K::kBlockBytes,
                     32.0f * 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
