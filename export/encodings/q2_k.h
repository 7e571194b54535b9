// Super-blocks of sixteen parts with two bits for each level, a scale and a minimum for each part
// (q2_k).
#pragma once
#include "export/encodings/block_fits.h"
#include "export/encodings/parts_of_16.h"

namespace slmtune::exporting::q2_k {

using parts_of_16::kBlock;
using parts_of_16::kPart;

// Sixteen bytes (scale of a part in the low half, minimum in the high half), levels of two bits,
// then what scales and minima are multiples of, as float16.
constexpr int kLevels = 16, kScale = kLevels + kBlock / 4, kMinimum = kScale + 2;
constexpr int kBlockBytes = kMinimum + 2;
constexpr int kMost = 15;  // greatest multiple

// Multiples of a common unit, and that unit.
struct Multiples {
  float unit = 0.0f;
  uint8_t of[kLanes] = {};
};

// The greatest value is kMost units.
SLMTUNE_INLINE Multiples multiples_of_greatest(const float* values) {
  Multiples result;
  float greatest = 0.0f;
  for (int j = 0; j < kLanes; ++j) greatest = values[j] > greatest ? values[j] : greatest;
  if (!(greatest > 0.0f)) return result;
  const float inverse = kMost / greatest;
  for (int j = 0; j < kLanes; ++j)
    result.of[j] = static_cast<uint8_t>(nearest(inverse * values[j]));
  result.unit = greatest / kMost;
  return result;
}

SLMTUNE_INLINE Multiples weighted_multiples(const float* values, const float* weight) {
  Multiples result;
  result.unit = fit_positive(kLanes, kMost, values, weight, result.of);
  return result;
}

// Stores scales and minima; levels follow them as stored, but for parts whose scale is zero.
SLMTUNE_INLINE void finish(const Multiples& scales, const Multiples& minima, const Floats* x,
                           const MinimumFit& fit, std::byte* out) {
  store_half(scales.unit, out + kScale);
  store_half(minima.unit, out + kMinimum);
  const float unit = load_half(out + kScale), minimum_unit = load_half(out + kMinimum);
  float scale[kLanes], minimum[kLanes];
  for (int j = 0; j < kLanes; ++j) {
    const auto byte = static_cast<uint8_t>(scales.of[j] | minima.of[j] << 4);
    out[j] = static_cast<std::byte>(byte);
    scale[j] = unit * static_cast<float>(byte & 15);
    minimum[j] = minimum_unit * static_cast<float>(byte >> 4);
  }
  const Floats scales_stored(scale), minima_stored(minimum);
  Floats level[kPart];
  for (int i = 0; i < kPart; ++i) {
    const Floats steps = (x[i] + minima_stored) / scales_stored;
    level[i] = select(scales_stored != 0.0f, nearest_within(steps, 0, 3), fit.level(x[i], 3));
  }
  uint8_t bytes[kBlock];
  store_lanes<kPart>(level, kLanes, bytes);
  parts_of_16::pack_two_bits(bytes, out + kLevels);
}

SLMTUNE_INLINE void encode_plain(std::span<const float> in, std::byte* out) {
  for (size_t start = 0; start < in.size(); start += kBlock, out += kBlockBytes) {
    Floats x[kPart], weight[kPart];
    load_lanes<kPart>(&in[start], kLanes, x);
    for (int i = 0; i < kPart; ++i) weight[i] = magnitude(x[i]);
    const auto fit = fit_with_minimum<kPart, 3, true>(x, weight, {-0.5f, 0.1f, 15});
    float scales[kLanes], minima[kLanes];
    fit.scale.store(scales);
    fit.minimum.store(minima);
    finish(multiples_of_greatest(scales), multiples_of_greatest(minima), x, fit, out);
  }
}

SLMTUNE_INLINE void encode_weighted(std::span<const float> in, const float* importance,
                                    std::byte* out) {
  for (size_t start = 0; start < in.size(); start += kBlock, out += kBlockBytes) {
    Floats x[kPart], weight[kPart];
    load_lanes<kPart>(&in[start], kLanes, x);
    parts_of_16::weigh_parts(&in[start], x, importance + start, 1.0f, weight);
    const auto fit = fit_with_minimum<kPart, 3, false>(x, weight, kWeightedSteps);
    float sums[kLanes], scales[kLanes], minima[kLanes];
    fit.weights.store(sums);
    fit.scale.store(scales);
    fit.minimum.store(minima);
    finish(weighted_multiples(scales, sums), weighted_multiples(minima, sums), x, fit, out);
  }
}

}  // namespace slmtune::exporting::q2_k
