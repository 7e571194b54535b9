// The instruction sets for which loops are written by hand; those of SLMTUNE_VECTOR_VARIANTS are
// chosen by the loader.
#pragma once
#include <vector>

namespace slmtune::kernels {

enum class Instructions {
  kPlain,  // any machine: the reference
  kAvx2,
  kAvx512,  // with the byte and the 256-bit forms (BW, VL)
};

// Those of this machine, the widest last; never empty.
inline const std::vector<Instructions>& available_instructions() {
  static const std::vector<Instructions> available = [] {
    std::vector<Instructions> found = {Instructions::kPlain};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) found.push_back(Instructions::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
      found.push_back(Instructions::kAvx512);
#endif
    return found;
  }();
  return available;
}

inline Instructions widest_instructions() {
  return available_instructions().back();
}

}  // namespace slmtune::kernels
