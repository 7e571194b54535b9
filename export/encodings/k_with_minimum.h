// What q4_k and q5_k share: super-blocks in eight parts of 32, each with a scale and a minimum that
// are multiples of the super-block's two float16 units, six bits each. Only the number of levels
// and where their bits lie differ; a Form says so:
//
//   kLevels (the greatest), kBlockBytes, kSteps (the scales tried without importance), kHeld
//   (whether multiples fitted to importance are held within six bits) and pack(level, out)
#pragma once
#include "export/encodings/k_blocks.h"

namespace slmtune::exporting::k_blocks {

constexpr int kPart = 32, kParts = kBlock / kPart;
// Units of scales and minima, then the multiples in twelve bytes.
constexpr int kMinimumUnit = 2, kMultiples = 4, kHead = 16;
constexpr int kMost = 63;  // greatest multiple

// Of the eight scales or minima of a super-block.
struct Multiples {
  float unit = 0.0f;
  uint8_t of[kParts] = {};

  SLMTUNE_INLINE void hold() {
    for (uint8_t& multiple : of) multiple = multiple < kMost ? multiple : kMost;
  }
};

// The greatest value is kMost units.
SLMTUNE_INLINE Multiples multiples_of_greatest(const float* values) {
  Multiples result;
  float greatest = 0.0f;
  for (int j = 0; j < kParts; ++j) greatest = values[j] > greatest ? values[j] : greatest;
  const float inverse = greatest > 0.0f ? kMost / greatest : 0.0f;
  for (int j = 0; j < kParts; ++j)
    result.of[j] = static_cast<uint8_t>(nearest(inverse * values[j]));
  result.hold();
  result.unit = greatest / kMost;
  return result;
}

SLMTUNE_INLINE Multiples weighted_multiples(const float* values, const float* weight, bool held) {
  Multiples result;
  result.unit = fit_positive(kParts, kMost, values, weight, result.of);
  if (held) result.hold();
  return result;
}

// The first four parts have their six bits in bytes of their own; their upper two bits hold those
// of the last four parts, whose lower four are in the last four bytes.
SLMTUNE_INLINE void store_head(const Multiples& scales, const Multiples& minima, std::byte* out) {
  store_half(scales.unit, out);
  store_half(minima.unit, out + kMinimumUnit);
  for (int j = 0; j < 4; ++j) {
    const int scale = scales.of[j + 4], minimum = minima.of[j + 4];
    const int bytes[] = {scales.of[j] | (scale >> 4) << 6, minima.of[j] | (minimum >> 4) << 6,
                         (scale & 15) | (minimum & 15) << 4};
    for (int k = 0; k < 3; ++k)
      out[kMultiples + 4 * k + j] = static_cast<std::byte>(bytes[k] & 255);
  }
}

// Scales and minima as a reader multiplies them out.
struct Stored {
  float scale[kParts], minimum[kParts];
};

SLMTUNE_INLINE Stored load_head(const std::byte* in) {
  const float unit = load_half(in), minimum_unit = load_half(in + kMinimumUnit);
  const auto byte = [in](int k, int j) { return static_cast<int>(in[kMultiples + 4 * k + j]); };
  Stored stored;
  for (int j = 0; j < 4; ++j) {
    stored.scale[j] = unit * static_cast<float>(byte(0, j) & 63);
    stored.minimum[j] = minimum_unit * static_cast<float>(byte(1, j) & 63);
    stored.scale[j + 4] = unit * static_cast<float>((byte(2, j) & 15) | (byte(0, j) >> 6) << 4);
    stored.minimum[j + 4] =
        minimum_unit * static_cast<float>((byte(2, j) >> 4) | (byte(1, j) >> 6) << 4);
  }
  return stored;
}

// Of the parts that are encoded together.
template <int kCount>
struct Fits {
  float scale[kCount], minimum[kCount], inverse[kCount], origin[kCount], weights[kCount];
};

template <typename Form>
struct EncodeWithMinimum {
  // Registers' worth of sums that are formed side by side.
  static constexpr int kGroups = kRegister == kLanes ? 2 : 1;
  static constexpr int kCount = kGroups * kLanes, kTogether = kCount / kParts;

  // Without importance: the magnitude, plus the root of the part's mean square.
  SLMTUNE_INLINE static void weigh_by_magnitude(const Floats* x, Floats* weight) {
    for (int g = 0; g < kGroups; ++g) {
      Floats sum = {};
      for (int i = g; i < kPart * kGroups; i += kGroups) sum += x[i] * x[i];
      const Floats root = square_root(sum / static_cast<float>(kPart));
      for (int i = g; i < kPart * kGroups; i += kGroups) weight[i] = root + magnitude(x[i]);
    }
  }

  // importance · √(twice the mean square of the super-block + x²)
  SLMTUNE_INLINE static void weigh_by_importance(const float* values, const float* importance,
                                                 float* weight) {
    float sum = 0.0f;
    for (int i = 0; i < kBlock; ++i) sum += values[i] * values[i];
    const float spread = 2.0f * sum / kBlock;
    for (int i = 0; i < kBlock; ++i)
      weight[i] = importance[i] * __builtin_sqrtf(spread + values[i] * values[i]);
  }

  SLMTUNE_INLINE static void load_groups(const float* from, Floats* to) {
    for (int g = 0; g < kGroups; ++g) {
      Floats group[kPart];
      load_lanes<kPart>(from + g * kLanes * kPart, kLanes, group);
      for (int i = 0; i < kPart; ++i) to[i * kGroups + g] = group[i];
    }
  }

  SLMTUNE_INLINE static void fit_parts(const float* values, const float* weights,
                                       Fits<kCount>& fits) {
    Floats x[kPart * kGroups], weight[kPart * kGroups];
    load_groups(values, x);
    if (weights == nullptr)
      weigh_by_magnitude(x, weight);
    else
      load_groups(weights, weight);
    MinimumSearch<kPart, Form::kLevels, false, kGroups> search(x, weight);
    search.attempt_all(weights == nullptr ? Form::kSteps : kWeightedSteps);
    for (int g = 0; g < kGroups; ++g) {
      const MinimumFit fit = search.best(g);
      fit.scale.store(fits.scale + g * kLanes);
      fit.minimum.store(fits.minimum + g * kLanes);
      fit.inverse.store(fits.inverse + g * kLanes);
      fit.origin.store(fits.origin + g * kLanes);
      fit.weights.store(fits.weights + g * kLanes);
    }
  }

  // The levels follow the scale as stored, but for a part whose scale became zero.
  SLMTUNE_INLINE static void choose_levels(const float* values, float scale, float minimum,
                                           float inverse, float origin, uint8_t* level) {
    for (int i = 0; i < kPart; i += kLanes) {
      const Floats x(values + i);
      const Floats steps =
          scale != 0.0f ? (x + minimum) / scale : held(inverse * (x - origin), Form::kLevels);
      store_bytes(nearest_within(steps, 0, Form::kLevels), level + i);
    }
  }

  SLMTUNE_INLINE static void store_block(const float* values, const Fits<kCount>& fits, int part,
                                         bool weighted, std::byte* out) {
    const float *scales = fits.scale + part, *minima = fits.minimum + part;
    if (weighted)
      store_head(weighted_multiples(scales, fits.weights + part, Form::kHeld),
                 weighted_multiples(minima, fits.weights + part, Form::kHeld), out);
    else
      store_head(multiples_of_greatest(scales), multiples_of_greatest(minima), out);
    const Stored stored = load_head(out);
    uint8_t level[kBlock];
    for (int j = 0; j < kParts; ++j)
      choose_levels(values + j * kPart, stored.scale[j], stored.minimum[j], fits.inverse[part + j],
                    fits.origin[part + j], level + j * kPart);
    Form::pack(level, out + kHead);
  }

  // kTogether super-blocks, of which `count` are stored.
  SLMTUNE_INLINE static void encode(const float* values, const float* importance, std::byte* out,
                                    int count) {
    float weights[kTogether * kBlock];
    if (importance != nullptr)
      for (int b = 0; b < kTogether; ++b)
        weigh_by_importance(values + b * kBlock, importance + b * kBlock, weights + b * kBlock);
    Fits<kCount> fits;
    fit_parts(values, importance == nullptr ? nullptr : weights, fits);
    for (int b = 0; b < count; ++b)
      store_block(values + b * kBlock, fits, b * kParts, importance != nullptr,
                  out + b * Form::kBlockBytes);
  }

  SLMTUNE_INLINE static void encode_all(std::span<const float> in, const float* importance,
                                        std::byte* out) {
    encode_together<kTogether>(in, importance, Form::kBlockBytes, out, encode);
  }
};

}  // namespace slmtune::exporting::k_blocks
