#include "export/encodings/iq4_nl.h"

#include "export/encodings/encoding.h"
#include "export/encodings/lane_encoders.h"

namespace slmtune::exporting {
namespace {

using iq4_nl::Block, iq4_nl::kBlock, iq4_nl::kValues;

void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
            std::span<std::byte> out) {
  lane_encoders().iq4_nl.encode(in, columns, importance, out);
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  for (size_t b = 0; b * Block::kBytes < in.size(); ++b) {
    uint8_t level[kBlock];
    blocks_of_32::unpack<Block>(&in[b * Block::kBytes], level);
    const float scale = load_half(&in[b * Block::kBytes]);
    for (int i = 0; i < kBlock; ++i)
      out[b * kBlock + static_cast<size_t>(i)] = scale * static_cast<float>(kValues[level[i]]);
  }
}

// The first scale leaves no element more than 14 / 127 of the largest off, and the chosen one no
// greater sum of x² · error² over 32 elements: the extreme is off by at most √32 · 14 / 127. Other
// elements beyond the levels are off by less, the rest by twelve scales of at most √32 / 127.
double error_bound(double largest) {
  return 0.65 * largest + 128 * 0x1p-25;
}

}  // namespace

extern const Encoding kIq4_NL;
const Encoding kIq4_NL{"iq4_nl", 20, kBlock, Block::kBytes, 65520.0f, encode, decode, error_bound};

}  // namespace slmtune::exporting
