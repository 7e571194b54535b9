// Sixteen blocks at a time, one per lane of a vector. Sums over a block keep ggml's order, and with
// it every bit, while the lanes make it fast. What has no order, like the least value of one block,
// is found across the lanes. The vector is as many registers as the instruction
// set needs for it; code that uses it is compiled once for each set (lane_encoders.h), so
// everything here is inlined.
//
// The functions exist for one float, too, so that a search can be written once for both.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "export/encodings/block_numbers.h"

namespace slmtune::exporting {

constexpr int kLanes = 16;
#if defined(__AVX512F__)
constexpr int kRegister = 16;  // floats
#elif defined(__AVX2__)
constexpr int kRegister = 8;
#else
constexpr int kRegister = 4;
#endif

// What a comparison of lanes gives: all bits of a lane, or none.
template <int kWidth>
struct LaneMask {
  using Part [[gnu::vector_size(4 * kWidth)]] = int32_t;
  Part part[kLanes / kWidth];

  SLMTUNE_INLINE friend LaneMask operator&(LaneMask a, const LaneMask& b) {
    for (int p = 0; p < kLanes / kWidth; ++p) a.part[p] &= b.part[p];
    return a;
  }
  SLMTUNE_INLINE friend LaneMask operator|(LaneMask a, const LaneMask& b) {
    for (int p = 0; p < kLanes / kWidth; ++p) a.part[p] |= b.part[p];
    return a;
  }
};

template <int kWidth>
struct LaneFloats {
  using Part [[gnu::vector_size(4 * kWidth)]] = float;
  using Mask = LaneMask<kWidth>;
  static constexpr int kParts = kLanes / kWidth;
  Part part[kParts];

  LaneFloats() = default;
  // Register by register: GCC copies the struct as a whole in smaller pieces, through memory.
  SLMTUNE_INLINE LaneFloats(const LaneFloats& other) { *this = other; }
  SLMTUNE_INLINE LaneFloats& operator=(const LaneFloats& other) {
    for (int p = 0; p < kParts; ++p) part[p] = other.part[p];
    return *this;
  }
  // The same in every lane.
  SLMTUNE_INLINE LaneFloats(float value) {
    for (Part& p : part) p = Part{} + value;
  }
  SLMTUNE_INLINE explicit LaneFloats(const float* values) {
    for (int p = 0; p < kParts; ++p) std::memcpy(&part[p], values + p * kWidth, sizeof(Part));
  }
  SLMTUNE_INLINE void store(float* values) const {
    for (int p = 0; p < kParts; ++p) std::memcpy(values + p * kWidth, &part[p], sizeof(Part));
  }

#define SLMTUNE_LANE_OPERATOR(sign)                                            \
  SLMTUNE_INLINE friend LaneFloats operator sign(LaneFloats a, LaneFloats b) { \
    for (int p = 0; p < kParts; ++p) a.part[p] = a.part[p] sign b.part[p];     \
    return a;                                                                  \
  }
#define SLMTUNE_LANE_COMPARISON(sign)                                         \
  SLMTUNE_INLINE friend Mask operator sign(LaneFloats a, LaneFloats b) {      \
    Mask mask;                                                                \
    for (int p = 0; p < kParts; ++p) mask.part[p] = a.part[p] sign b.part[p]; \
    return mask;                                                              \
  }
  SLMTUNE_LANE_OPERATOR(+)
  SLMTUNE_LANE_OPERATOR(-)
  SLMTUNE_LANE_OPERATOR(*)
  SLMTUNE_LANE_OPERATOR(/)
  SLMTUNE_LANE_COMPARISON(<)
  SLMTUNE_LANE_COMPARISON(>)
  SLMTUNE_LANE_COMPARISON(==)
  SLMTUNE_LANE_COMPARISON(!=)
#undef SLMTUNE_LANE_OPERATOR
#undef SLMTUNE_LANE_COMPARISON

  SLMTUNE_INLINE friend LaneFloats operator-(LaneFloats a) {
    for (Part& p : a.part) p = -p;
    return a;
  }
  SLMTUNE_INLINE LaneFloats& operator+=(LaneFloats other) {
    return *this = *this + other;
  }
  SLMTUNE_INLINE LaneFloats& operator*=(LaneFloats other) {
    return *this = *this * other;
  }
};

using Mask = LaneMask<kRegister>;
using Floats = LaneFloats<kRegister>;

SLMTUNE_INLINE Floats select(const Mask& mask, Floats yes, const Floats& no) {
  for (int p = 0; p < Floats::kParts; ++p) yes.part[p] = mask.part[p] ? yes.part[p] : no.part[p];
  return yes;
}
SLMTUNE_INLINE float select(bool mask, float yes, float no) {
  return mask ? yes : no;
}

template <int kStep, int... kLane>
SLMTUNE_INLINE Floats::Part swapped(Floats::Part part, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(part, part, (kLane ^ kStep)...);
}

template <int kStep>
SLMTUNE_INLINE float across_part(Floats::Part part, auto choose) {
  if constexpr (kStep == 0)
    return part[0];
  else
    return across_part<kStep / 2>(
        choose(part, swapped<kStep>(part, std::make_integer_sequence<int, kRegister>{})), choose);
}

// Of the sixteen lanes, the least or the greatest: choose(a, b) of each two.
SLMTUNE_INLINE float across(const Floats& value, auto choose) {
  Floats::Part part = value.part[0];
  for (int p = 1; p < Floats::kParts; ++p) part = choose(part, value.part[p]);
  return across_part<kRegister / 2>(part, choose);
}
SLMTUNE_INLINE float least(const Floats& value) {
  return across(value, [](auto a, auto b) { return a < b ? a : b; });
}
SLMTUNE_INLINE float greatest(const Floats& value) {
  return across(value, [](auto a, auto b) { return a > b ? a : b; });
}

SLMTUNE_INLINE bool any(const Mask& mask) {
  int64_t words[sizeof mask / sizeof(int64_t)], all = 0;
  std::memcpy(words, &mask, sizeof mask);
  for (const int64_t word : words) all |= word;
  return all != 0;
}
SLMTUNE_INLINE bool any(bool mask) {
  return mask;
}

SLMTUNE_INLINE Floats magnitude(Floats value) {
  for (Floats::Part& p : value.part)
    p = reinterpret_cast<Floats::Part>(reinterpret_cast<Mask::Part>(p) & 0x7fffffff);
  return value;
}
SLMTUNE_INLINE float magnitude(float value) {
  return std::fabs(value);
}

// The lowest 23 bits, with the exponent of 2^23.
SLMTUNE_INLINE Mask::Part shifted_bits(Floats::Part value) {
  constexpr int32_t kBits = 0x7fffff, kExponent = 0x4b000000;
  const auto bits = reinterpret_cast<Mask::Part>(value);
#if defined(__AVX512F__)
  return reinterpret_cast<Mask::Part>(
      _mm512_ternarylogic_epi32(reinterpret_cast<__m512i>(bits), _mm512_set1_epi32(kBits),
                                _mm512_set1_epi32(kExponent), 0xEA));
#else
  return (bits & kBits) | kExponent;
#endif
}

// nearest() of block_numbers.h, held within low … high, as a float: it is held while it is still
// the lowest bits of a float.
SLMTUNE_INLINE Floats nearest_within(Floats value, int low, int high) {
  constexpr float kShift = 0x1.8p23f;
  constexpr int32_t kZero = 0x4b400000;  // kShift's bits
  const auto least = Mask::Part{} + (kZero + low), most = Mask::Part{} + (kZero + high);
  for (Floats::Part& p : value.part) {
    auto whole = shifted_bits(p + kShift);
    whole = whole < most ? whole : most;
    whole = whole > least ? whole : least;
    p = reinterpret_cast<Floats::Part>(whole) - kShift;
  }
  return value;
}
SLMTUNE_INLINE float nearest_within(float value, int low, int high) {
  const int32_t whole = nearest(value);
  return static_cast<float>(whole < low ? low : whole > high ? high : whole);
}

// Held within 0 … high, as numbers; NaN stays.
SLMTUNE_INLINE Floats held(Floats value, float high) {
  return select(value < 0.0f, Floats{}, select(value > high, Floats(high), value));
}

// The nearest whole number to held(value, high): as bits, numbers from zero on keep their order.
// NaN gives some number.
SLMTUNE_INLINE Floats nearest_to_held(Floats value, float high) {
  constexpr float kShift = 0x1.8p23f;
  const auto least = Mask::Part{}, most = Mask::Part{} + std::bit_cast<int32_t>(high);
  for (Floats::Part& p : value.part) {
    auto bits = reinterpret_cast<Mask::Part>(p);
    bits = bits > least ? bits : least;
    bits = bits < most ? bits : most;
    p = reinterpret_cast<Floats::Part>(bits) + kShift - kShift;
  }
  return value;
}

SLMTUNE_INLINE Floats square_root(const Floats& value) {
  float each[kLanes];
  value.store(each);
  for (float& lane : each) lane = __builtin_sqrtf(lane);
  return Floats(each);
}

// Element i of block `lane` is at from[lane · block + i]; lanes from `blocks` on become zeros.
template <int kBlock>
SLMTUNE_INLINE void load_lanes(const float* from, int64_t blocks, Floats* to) {
  float turned[kBlock][kLanes] = {};
  for (int64_t lane = 0; lane < blocks; ++lane)
    for (int i = 0; i < kBlock; ++i) turned[i][lane] = from[lane * kBlock + i];
  for (int i = 0; i < kBlock; ++i) to[i] = Floats(turned[i]);
}

// Back, as bytes.
template <int kBlock>
SLMTUNE_INLINE void store_lanes(const Floats* levels, int64_t blocks, uint8_t* to) {
  float turned[kBlock][kLanes];
  for (int i = 0; i < kBlock; ++i) levels[i].store(turned[i]);
  for (int64_t lane = 0; lane < blocks; ++lane)
    for (int i = 0; i < kBlock; ++i)
      to[lane * kBlock + i] = static_cast<uint8_t>(static_cast<int32_t>(turned[i][lane]));
}

// Whole numbers 0 … 255.
SLMTUNE_INLINE void store_bytes(const Floats& levels, uint8_t* to) {
  using Bytes [[gnu::vector_size(kRegister)]] = uint8_t;
  for (int p = 0; p < Floats::kParts; ++p) {
    const auto whole = __builtin_convertvector(levels.part[p], Mask::Part);
    const auto bytes = __builtin_convertvector(whole, Bytes);
    std::memcpy(to + p * kRegister, &bytes, sizeof bytes);
  }
}

}  // namespace slmtune::exporting
