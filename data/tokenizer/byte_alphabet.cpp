#include "data/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "data/tokenizer/unicode.h"

namespace slmtune::data {
namespace {

constexpr uint32_t kHighest = 0x143;  // 256 + 68 - 1

struct Alphabet {
  Alphabet() {
    byte_of.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const uint32_t point = printable ? byte : next++;
      append_utf8(text[byte], point);
      byte_of[point] = static_cast<int16_t>(byte);
    }
  }
  std::array<std::string, 256> text;
  std::array<int16_t, kHighest + 1> byte_of;
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string piece;
  piece.reserve(bytes.size() * 2);
  for (char byte : bytes) piece += alphabet().text[static_cast<unsigned char>(byte)];
  return piece;
}

std::optional<std::string> from_byte_alphabet(std::string_view piece) {
  std::string bytes;
  bytes.reserve(piece.size());
  for (size_t i = 0; i < piece.size();) {
    const CodePoint point = decode_utf8(piece.data() + i);
    if (point.value > kHighest || alphabet().byte_of[point.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet().byte_of[point.value]));
    i += point.bytes;
  }
  return bytes;
}

}  // namespace slmtune::data
