#include "data/tokenizer/safe_cuts.h"

#include <bit>

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uint32_t kSpaceMark = 0x2581;  // '▁'
constexpr size_t kBitsPerPiece = 32;

}  // namespace

SafeCuts::SafeCuts(const Vocabulary& pieces, std::span<const Merge> merges, bool before_space)
    : before_space_(before_space), everywhere_(true) {
  bits_.assign(std::bit_ceil(static_cast<size_t>(pieces.size()) * kBitsPerPiece / 64 + 64), 0);
  std::vector<bool> seen(static_cast<size_t>(pieces.size()), false);
  for (const Merge& merge : merges) {
    const auto id = static_cast<size_t>(merge.result);
    if (seen[id]) continue;
    seen[id] = true;
    join(pieces.bytes(merge.result));
  }
}

void SafeCuts::join(std::string_view piece) {
  for (size_t at = 0; at < piece.size();) {
    const CodePoint left = decode_utf8(piece.data() + at);
    at += left.bytes;
    if (at >= piece.size()) return;
    const uint32_t right = decode_utf8(piece.data() + at).value;
    if (left.value < 128 && right < 128) {
      ascii_[left.value * 128 + right] = true;
    } else {
      const size_t bit = bit_of(left.value, right);
      bits_[bit / 64] |= uint64_t{1} << bit % 64;
    }
  }
}

size_t SafeCuts::bit_of(uint32_t left, uint32_t right) const {
  const uint64_t key = (uint64_t{left} << 21 | right) * 0x9E3779B97F4A7C15u;
  return static_cast<size_t>(key >> 24) & (bits_.size() * 64 - 1);
}

bool SafeCuts::is_joined(uint32_t left, uint32_t right) const {
  if (left < 128 && right < 128) return ascii_[left * 128 + right];
  const size_t bit = bit_of(left, right);
  return bits_[bit / 64] >> bit % 64 & 1;
}

size_t SafeCuts::end_of_piece(std::string_view text, size_t at) const {
  if (!everywhere_ && !before_space_) return text.size();
  CodePoint left = decode_utf8(text.data() + at);
  for (at += left.bytes; at < text.size();) {
    const CodePoint right = decode_utf8(text.data() + at);
    if (before_space_ && right.value == kSpaceMark) break;
    if (everywhere_ && !is_joined(left.value, right.value)) break;
    at += right.bytes;
    left = right;
  }
  return at;
}

}  // namespace slmtune::data
