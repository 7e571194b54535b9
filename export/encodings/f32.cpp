#include <cstring>
#include <limits>

#include "export/encodings/encoding.h"

namespace slmtune::exporting {
namespace {

void encode(std::span<const float> in, int64_t, std::span<const float>, std::span<std::byte> out) {
  std::memcpy(out.data(), in.data(), in.size_bytes());
}

void decode(std::span<const std::byte> in, std::span<float> out) {
  std::memcpy(out.data(), in.data(), out.size_bytes());
}

double error_bound(double) {
  return 0.0;
}

}  // namespace

extern const Encoding kF32;
const Encoding kF32{"f32",  0,      1,          4, std::numeric_limits<float>::infinity(),
                    encode, decode, error_bound};

}  // namespace slmtune::exporting
