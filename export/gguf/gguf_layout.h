// Numbers of the GGUF format that writer and reader share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace slmtune::exporting {

enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr uint32_t kGgufOldestVersion = 2;  // read, too: little-endian, it is the same
inline constexpr uint64_t kGgufAlignment = 32;     // when the file has no general.alignment
inline constexpr uint64_t kGgufNameLimit = 63;     // bytes of a tensor name (GGML_MAX_NAME - 1)
inline constexpr uint64_t kGgufDimensions = 4;

inline bool starts_as_gguf(std::span<const std::byte> file) {
  return file.size() >= kGgufMagic.size() &&
         std::memcmp(file.data(), kGgufMagic.data(), kGgufMagic.size()) == 0;
}

// Callers keep `bytes` far below 2^64, so the sum cannot wrap.
inline uint64_t align_up(uint64_t bytes, uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace slmtune::exporting
