// Seeds: one recipe seed gives independent streams by purpose, so adding a use never shifts another.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace slmtune {

// 64-bit seed for `purpose` ("init", "shuffle", "dropout", "sample"): splitmix64 over FNV-1a of the name.
uint64_t derive_seed(uint64_t seed, std::string_view purpose);

// SplitMix64 (Steele, Lea, Flood 2014): tiny, portable, same numbers on every machine.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t next();
  double uniform();                // [0, 1)
  uint64_t below(uint64_t bound);  // [0, bound), unbiased; bound > 0

 private:
  uint64_t state_;
};

// Fisher-Yates permutation of 0..n-1.
std::vector<uint64_t> permutation(uint64_t n, uint64_t seed);

}  // namespace slmtune
