// CRC-32C (Castagnoli), the checksum of TensorBoard records and of the store's journal lines.
#pragma once
#include <cstdint>
#include <string_view>

namespace slmtune {

uint32_t crc32c(std::string_view bytes);  // of "123456789": 0xE3069283

}  // namespace slmtune
