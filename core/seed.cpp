#include "core/seed.h"

#include <numeric>
#include <utility>

namespace slmtune {
namespace {

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

}  // namespace

uint64_t derive_seed(uint64_t seed, std::string_view purpose) {
  return SplitMix64(SplitMix64(seed).next() ^ fnv1a(purpose)).next();
}

uint64_t SplitMix64::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

double SplitMix64::uniform() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

uint64_t SplitMix64::below(uint64_t bound) {
  // The lowest 2^64 mod bound values would make the first remainders likelier.
  uint64_t unfair = (0 - bound) % bound;
  uint64_t value = next();
  while (value < unfair) value = next();
  return value % bound;
}

std::vector<uint64_t> permutation(uint64_t n, uint64_t seed) {
  std::vector<uint64_t> order(n);
  std::iota(order.begin(), order.end(), uint64_t{0});
  SplitMix64 random(seed);
  for (uint64_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace slmtune
