#include "export/encodings/q6_k.h"

#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using namespace k_blocks;
using namespace k_blocks::q6_k;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q6_k.encode(in, columns, importance, out);
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(const std::byte* in, int64_t blocks, float* out) {
  for (int64_t b = 0; b < blocks; ++b, in += kBlockBytes, out += kBlock) {
    const float unit = load_half(in + kUnit);
    const auto* scales = reinterpret_cast<const int8_t*>(in + kScales);
    for (int j = 0; j < kParts; ++j) {
      const int half = j / 8, quarter = j / 2 % 4, start = j % 2 * kPart;
      const auto* low =
          reinterpret_cast<const uint8_t*>(in + 64 * half + 32 * (quarter % 2) + start);
      const auto* upper = reinterpret_cast<const uint8_t*>(in + kUpperBits + 32 * half + start);
      const int low_shift = quarter / 2 * 4, upper_shift = 2 * quarter;
      const float scale = unit * static_cast<float>(scales[j]);
      for (int i = 0; i < kPart; ++i) {
        const int level = ((low[i] >> low_shift) & 15) | ((upper[i] >> upper_shift) & 3) << 4;
        out[j * kPart + i] = scale * static_cast<float>(level - kLevels);
      }
    }
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in.data(), static_cast<int64_t>(in.size()) / kBlockBytes, out.data());
}

// A part's accepted fit leaves its largest element at most an eighth off; the scale that follows
// from it reaches at least 31/32 of seven eighths. Rounding it to a multiple costs 32/256 of the
// greatest scale, and a subnormal float16 unit 128 · 32 · 2^-25.
double error_bound(double largest) {
  return 0.17 * largest + 128 * 32 * 0x1p-25;
}

}  // namespace

extern const Encoding kQ6_K;
const Encoding kQ6_K{"q6_k", 14,     kBlock,     kBlockBytes, 2048.0f * 65520.0f,
                     encode, decode, error_bound};

}  // namespace slmtune::exporting
