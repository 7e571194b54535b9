#include "export/encodings/blocks_of_32.h"
#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"
#include "kernels/vector_variants.h"

namespace slmtune::exporting {
namespace {

using Block = blocks_of_32::Layout<4, true>;

SLMTUNE_VECTOR_VARIANTS
void decode_all(std::span<const std::byte> in, float* out) {
  blocks_of_32::decode_blocks<4, true>(in, out);
}

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().q4_1.encode(in, columns, importance, out);
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  decode_all(in, out.data());
}

// Half a step of at most 2 · largest / 15, then the rounding of scale and minimum to float16.
double error_bound(double largest) {
  return largest / 15 + largest * (0x1p-10 + 0x1p-11) + 16 * 0x1p-25 + largest * 0x1p-20;
}

}  // namespace

extern const Encoding kQ4_1;
const Encoding kQ4_1{"q4_1", 3,      blocks_of_32::kBlock, Block::kBytes, 65520.0f,
                     encode, decode, error_bound};

}  // namespace slmtune::exporting
