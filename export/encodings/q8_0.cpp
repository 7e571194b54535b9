#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/dtype.h"
#include "export/encodings/encoding.h"

namespace slmtune::exporting {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kBlockBytes = 2 + kBlock;  // float16 scale, then 32 signed bytes

void encode_block(const float* in, std::byte* out) {
  float largest = 0.0f;
  for (int64_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(in[i]));
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  const uint16_t scale_bits = f32_to_f16(scale);
  std::memcpy(out, &scale_bits, 2);
  for (int64_t i = 0; i < kBlock; ++i) {
    // 1 / scale overflows for subnormal scales; such a block decodes to zeros whatever its levels
    // are.
    const float level = std::isfinite(inverse) ? std::round(in[i] * inverse) : 0.0f;
    out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(level));
  }
}

void encode(std::span<const float> in, std::span<std::byte> out) {
  const int64_t blocks = static_cast<int64_t>(in.size()) / kBlock;
  for (int64_t b = 0; b < blocks; ++b) encode_block(&in[b * kBlock], &out[b * kBlockBytes]);
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  const int64_t blocks = static_cast<int64_t>(out.size()) / kBlock;
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = &in[b * kBlockBytes];
    uint16_t scale_bits;
    std::memcpy(&scale_bits, block, 2);
    const float scale = f16_to_f32(scale_bits);
    for (int64_t i = 0; i < kBlock; ++i)
      out[b * kBlock + i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
  }
}

// Half a level, plus 127 times the rounding of the scale to float16, plus float32 rounding.
double error_bound(double largest) {
  return largest / 254.0 + largest * 0x1p-11 + 127 * 0x1p-25 + largest * 0x1p-22;
}

}  // namespace

extern const Encoding kQ8_0;
const Encoding kQ8_0{"q8_0", 8,      7,          kBlock, kBlockBytes, 127.0f * 65520.0f,
                     encode, decode, error_bound};

}  // namespace slmtune::exporting
