// The encoders that work on many blocks at once (lanes.h), compiled once for each instruction set
// (lane_encoders_*.cpp). All give the same bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/instructions.h"

namespace slmtune::exporting {

struct LaneEncoder {
  void (*plain)(std::span<const float> in, std::byte* out);  // whole blocks
  // One row, and a weight for each of its columns.
  void (*weighted)(std::span<const float> row, const float* importance, std::byte* out);

  // Arguments as Encoding::encode.
  void encode(std::span<const float> in, int64_t columns, std::span<const float> importance,
              std::span<std::byte> out) const {
    if (importance.empty()) return plain(in, out.data());
    const auto row = static_cast<size_t>(columns);
    const size_t rows = in.size() / row, row_bytes = out.size() / rows;
    for (size_t r = 0; r < rows; ++r)
      weighted(in.subspan(r * row, row), importance.data(), out.data() + r * row_bytes);
  }
};

struct LaneEncoders {
  LaneEncoder q4_0, q4_1, q5_0, q5_1, iq4_nl, q2_k, q3_k, q4_k, q5_k, q6_k;
};

extern const LaneEncoders kPlainLaneEncoders, kAvx2LaneEncoders, kAvx512LaneEncoders;

// `use` must be one of available_instructions().
inline const LaneEncoders& lane_encoders(
    [[maybe_unused]] kernels::Instructions use = kernels::widest_instructions()) {
#if defined(__x86_64__)
  if (use == kernels::Instructions::kAvx512) return kAvx512LaneEncoders;
  if (use == kernels::Instructions::kAvx2) return kAvx2LaneEncoders;
#endif
  return kPlainLaneEncoders;
}

}  // namespace slmtune::exporting
