#include "export/encodings/blocks_of_32.h"
#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using Block = blocks_of_32::Layout<4, false>;

SLMTUNE_VECTOR_VARIANTS
void decode_all(std::span<const std::byte> in, float* out) {
  blocks_of_32::decode_blocks<4, false>(in, out);
}

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q4_0.encode(in, columns, importance, out);
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_all(in, out.data());
}

// A whole step: levels end one short of the extreme's opposite. Then the rounding of the scale to
// float16, eight steps away.
double error_bound(double largest) {
  return largest / 8 + largest * 0x1p-11 + 8 * 0x1p-25 + largest * 0x1p-22;
}

}  // namespace

extern const Encoding kQ4_0;
const Encoding kQ4_0{"q4_0", 2,      blocks_of_32::kBlock, Block::kBytes, 8 * 65520.0f,
                     encode, decode, error_bound};

}  // namespace slmtune::exporting
