#include "core/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace slmtune {
namespace {

// RFC 3720, section B.4, and the check value of the CRC catalogue.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
}

// Bit by bit, as the polynomial is defined.
uint32_t slowly(const std::string& text) {
  uint32_t crc = 0xFFFFFFFFu;
  for (unsigned char byte : text) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

TEST(Crc32c, IsTheSameForEveryLengthAndPlaceInMemory) {
  std::string text;
  for (int i = 0; i < 80; ++i) text += static_cast<char>(i * 37 + 11);
  for (size_t begin = 0; begin < 9; ++begin)
    for (size_t length = 0; length < 70; ++length)
      EXPECT_EQ(crc32c(std::string_view(text).substr(begin, length)),
                slowly(text.substr(begin, length)));
}

}  // namespace
}  // namespace slmtune
