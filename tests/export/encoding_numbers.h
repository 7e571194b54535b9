// Numbers with known encodings: the input of the golden hashes, and the hash.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "export/encodings/encoding.h"

namespace slmtune::exporting {

// Numbers of [-1, 1), the same on every machine.
class Numbers {
 public:
  float next() {
    state_ = state_ * 1664525u + 1013904223u;
    return (static_cast<float>((state_ >> 8) & 0xFFFF) - 32768.0f) / 32768.0f;
  }

 private:
  uint32_t state_ = 1;
};

// Three sets of 4 rows of 256: even in −1 … 1, its cubes, and cubes with zeros, small blocks and a
// shifted row.
enum class Set { kA, kB, kC };

inline std::vector<float> numbers(Set set) {
  std::vector<float> values;
  Numbers even;
  for (int i = 0; i < 1024; ++i) {
    const float f = even.next();
    const float cube = f * f * f;
    float value = set == Set::kA ? f : cube;
    if (set == Set::kC) {
      value = cube * ((i / 32) % 2 ? 0.01f : 1.0f) + (i / 256 == 3 ? 0.5f : 0.0f);
      if (i % 256 < 16) value = 0.0f;
    }
    values.push_back(value);
  }
  return values;
}

// Weights of 256 columns, every seventh of which counts for nothing.
inline std::vector<float> uneven_importance() {
  std::vector<float> weights;
  for (int i = 0; i < 256; ++i) weights.push_back(static_cast<float>(i % 7) * 0.25f);
  return weights;
}

// FNV-1a of 64 bits.
inline uint64_t hash_of(const std::vector<std::byte>& bytes) {
  uint64_t hash = 14695981039346656037ull;
  for (std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 1099511628211ull;
  return hash;
}

// Rows of 256.
inline std::vector<std::byte> encode(const Encoding& encoding, const std::vector<float>& values,
                                     const std::vector<float>& importance = {}) {
  std::vector<std::byte> bytes(values.size() / static_cast<size_t>(encoding.block) *
                               static_cast<size_t>(encoding.block_bytes));
  encoding.encode(values, 256, importance, bytes);
  return bytes;
}

inline std::vector<float> round_trip(const Encoding& encoding, const std::vector<float>& values,
                                     const std::vector<float>& importance = {}) {
  std::vector<float> decoded(values.size());
  encoding.decode(encode(encoding, values, importance), decoded);
  return decoded;
}

}  // namespace slmtune::exporting
