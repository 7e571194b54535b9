#include <cmath>

#include "export/encodings/block_numbers.h"
#include "export/encodings/encoding.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

constexpr int kBlock = 32;
constexpr int kBlockBytes = 2 + kBlock;  // float16 scale, then 32 signed bytes

// NaN replaces what was found before it, and any number replaces NaN.
float largest_magnitude(const float* in) {
  float largest = 0.0f;
  for (int i = 0; i < kBlock; ++i) {
    const float magnitude = std::fabs(in[i]);
    largest = largest > magnitude ? largest : magnitude;
  }
  return largest;
}

// Scales so small that their inverse is infinite give zeros: nothing else fits the levels.
SLMTUNE_VECTOR_VARIANTS
void encode_blocks(std::span<const float> in, std::byte* out) {
  for (size_t start = 0; start < in.size(); start += kBlock, out += kBlockBytes) {
    const float scale = largest_magnitude(&in[start]) / 127.0f;
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    store_half(scale, out);
    for (size_t i = 0; i < kBlock; ++i)
      out[2 + i] = static_cast<std::byte>(rounded(in[start + i] * inverse) & 255);
  }
}

void encode(std::span<const float> in, int64_t, std::span<const float>, std::span<std::byte> out) {
  encode_blocks(in, out.data());
}

SLMTUNE_VECTOR_VARIANTS
void decode_blocks(std::span<const std::byte> in, float* out) {
  for (size_t start = 0; start < in.size(); start += kBlockBytes, out += kBlock) {
    const float scale = load_half(&in[start]);
    for (size_t i = 0; i < kBlock; ++i)
      out[i] = scale * static_cast<float>(static_cast<int8_t>(in[start + 2 + i]));
  }
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_blocks(in, out.data());
}

// Half a level, plus 127 times the rounding of the scale to float16, plus float32 rounding.
double error_bound(double largest) {
  return largest / 254.0 + largest * 0x1p-11 + 127 * 0x1p-25 + largest * 0x1p-22;
}

}  // namespace

extern const Encoding kQ8_0;
const Encoding kQ8_0{"q8_0", 8,      kBlock,     kBlockBytes, 127.0f * 65520.0f,
                     encode, decode, error_bound};

}  // namespace slmtune::exporting
