#include "core/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace slmtune {
namespace {

uint32_t by_table(std::string_view bytes, uint32_t crc) {
  // The polynomial 0x1EDC6F41, bit-reversed.
  static const auto table = [] {
    std::array<uint32_t, 256> entries{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
      entries[i] = value;
    }
    return entries;
  }();
  for (unsigned char byte : bytes) crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
  return crc;
}

#if defined(__x86_64__)
// The processor has an instruction for this very polynomial; the rest of eight bytes goes by the
// table.
__attribute__((target("sse4.2"))) uint32_t by_instruction(std::string_view bytes, uint32_t crc) {
  uint64_t wide = crc;
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t piece;
    std::memcpy(&piece, bytes.data(), sizeof piece);
    wide = _mm_crc32_u64(wide, piece);
  }
  return by_table(bytes, static_cast<uint32_t>(wide));
}
#endif

}  // namespace

uint32_t crc32c(std::string_view bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(bytes, 0xFFFFFFFFu);
#endif
  return ~by_table(bytes, 0xFFFFFFFFu);
}

}  // namespace slmtune
