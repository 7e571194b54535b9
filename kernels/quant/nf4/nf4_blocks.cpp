#include "kernels/quant/nf4/nf4_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/vector_variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace slmtune::kernels {
namespace {

constexpr std::array<float, 16> kValues = {-1.0f,
                                           -0.6961928009986877f,
                                           -0.5250730514526367f,
                                           -0.39491748809814453f,
                                           -0.28444138169288635f,
                                           -0.18477343022823334f,
                                           -0.09105003625154495f,
                                           0.0f,
                                           0.07958029955625534f,
                                           0.16093020141124725f,
                                           0.24611230194568634f,
                                           0.33791524171829224f,
                                           0.44070982933044434f,
                                           0.5626170039176941f,
                                           0.7229568362236023f,
                                           1.0f};

constexpr std::array<float, 15> make_middles() {
  std::array<float, 15> middles{};
  for (size_t i = 0; i < middles.size(); ++i) middles[i] = (kValues[i] + kValues[i + 1]) / 2.0f;
  return middles;
}
constexpr std::array<float, 15> kMiddles = make_middles();

// Below this a reciprocal would overflow; bitsandbytes uses the same floor.
constexpr float kSmallestScale = 1e-38f;
constexpr int64_t kLargestBlock = 4096;

// Rounds to the nearest, ties to even. Weights are finite, so no case for NaN.
uint16_t bfloat16_bits(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

void store(float value, float* out) {
  *out = value;
}
void store(float value, uint16_t* out) {
  *out = bfloat16_bits(value);
}

// Any machine, and what the vector loops leave over.
template <typename Out>
void dequantise_plain(const uint8_t* packed, const float* absmax, int64_t from, int64_t count,
                      int64_t block, Out* out) {
  for (int64_t i = from; i < count; ++i) {
    const unsigned index = i % 2 == 0 ? packed[i / 2] >> 4 : packed[i / 2] & 15u;
    store(kValues[index] * absmax[i / block], out + i);
  }
}

#if defined(__x86_64__)

// Eight bytes become sixteen lanes whose lowest four bits are the indices, in order; the table
// look-up ignores the rest.
__attribute__((target("avx512f,avx512bw,avx512vl"))) __m512 values_of_16(const uint8_t* packed,
                                                                         __m512 table) {
  const __m512i bytes =
      _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(packed)));
  const __m512i indices =
      _mm512_or_si512(_mm512_srli_epi64(bytes, 4), _mm512_slli_epi64(bytes, 32));
  return _mm512_permutexvar_ps(indices, table);
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) void store_16(__m512 values, float* out) {
  _mm512_storeu_ps(out, values);
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) void store_16(__m512 values, uint16_t* out) {
  const __m512i bits = _mm512_castps_si512(values);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}

template <typename Out>
__attribute__((target("avx512f,avx512bw,avx512vl"))) int64_t dequantise_avx512(
    const uint8_t* packed, const float* absmax, int64_t count, int64_t block, Out* out) {
  const __m512 table = _mm512_loadu_ps(kValues.data());
  int64_t done = 0;
  for (; done + block <= count; done += block) {
    const __m512 scale = _mm512_set1_ps(absmax[done / block]);
    for (int64_t i = done; i < done + block; i += 16)
      store_16(_mm512_mul_ps(values_of_16(packed + i / 2, table), scale), out + i);
  }
  return done;
}

// As above with eight lanes: the table is two halves, chosen by the index's highest bit.
__attribute__((target("avx2"))) __m256 values_of_8(const uint8_t* packed, __m256 low, __m256 high) {
  int four;
  __builtin_memcpy(&four, packed, sizeof four);
  const __m256i bytes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
  const __m256i indices =
      _mm256_or_si256(_mm256_srli_epi64(bytes, 4), _mm256_slli_epi64(bytes, 32));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, indices),
                          _mm256_permutevar8x32_ps(high, indices),
                          _mm256_castsi256_ps(_mm256_slli_epi32(indices, 28)));
}

__attribute__((target("avx2"))) void store_8(__m256 values, float* out) {
  _mm256_storeu_ps(out, values);
}

__attribute__((target("avx2"))) void store_8(__m256 values, uint16_t* out) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0b1000);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(packed));
}

template <typename Out>
__attribute__((target("avx2"))) int64_t dequantise_avx2(const uint8_t* packed, const float* absmax,
                                                        int64_t count, int64_t block, Out* out) {
  const __m256 low = _mm256_loadu_ps(kValues.data()), high = _mm256_loadu_ps(kValues.data() + 8);
  int64_t done = 0;
  for (; done + block <= count; done += block) {
    const __m256 scale = _mm256_set1_ps(absmax[done / block]);
    for (int64_t i = done; i < done + block; i += 8)
      store_8(_mm256_mul_ps(values_of_8(packed + i / 2, low, high), scale), out + i);
  }
  return done;
}

#endif

template <typename Out>
void dequantise(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                Out* out) {
  int64_t done = 0;
#if defined(__x86_64__)
  static const bool has_avx512 = __builtin_cpu_supports("avx512f") &&
                                 __builtin_cpu_supports("avx512bw") &&
                                 __builtin_cpu_supports("avx512vl");
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  if (has_avx512)
    done = dequantise_avx512(packed, absmax, count, block, out);
  else if (has_avx2)
    done = dequantise_avx2(packed, absmax, count, block, out);
#endif
  dequantise_plain(packed, absmax, done, count, block, out);
}

SLMTUNE_VECTOR_VARIANTS
float largest_magnitude(const float* x, int64_t count) {
  float largest = 0.0f;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  return largest;
}

SLMTUNE_VECTOR_VARIANTS
void indices_of(const float* weights, int64_t count, float scale, int32_t* indices) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float x = weights[i] * scale;
    int32_t below = 0;
    for (float middle : kMiddles) below += x > middle ? 1 : 0;
    indices[i] = below;
  }
}

}  // namespace

const std::array<float, 16>& nf4_values() {
  return kValues;
}

void quantise_nf4(const float* weights, int64_t count, int64_t block, uint8_t* packed,
                  float* absmax) {
  int32_t indices[kLargestBlock + 1];
  for (int64_t start = 0; start < count; start += block) {
    const int64_t size = std::min(block, count - start);
    const float largest = largest_magnitude(weights + start, size);
    absmax[start / block] = largest;
    indices_of(weights + start, size, 1.0f / std::max(largest, kSmallestScale), indices);
    indices[size] = 7;  // fills the last byte of an odd count
    for (int64_t i = 0; i < size; i += 2)
      packed[(start + i) / 2] = static_cast<uint8_t>(indices[i] << 4 | indices[i + 1]);
  }
}

void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    float* out) {
  dequantise(packed, absmax, count, block, out);
}

void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    uint16_t* out) {
  dequantise(packed, absmax, count, block, out);
}

}  // namespace slmtune::kernels
