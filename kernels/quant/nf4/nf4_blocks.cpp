#include "kernels/quant/nf4/nf4_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/quant/nf4/nf4_values.h"
#include "kernels/vector_variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace slmtune::kernels {
namespace {

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
    store(kNf4Values[index] * absmax[i / block], out + i);
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
  const __m512 table = _mm512_loadu_ps(kNf4Values.data());
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
  const __m256 low = _mm256_loadu_ps(kNf4Values.data()),
               high = _mm256_loadu_ps(kNf4Values.data() + 8);
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
void dequantise(const uint8_t* packed, const float* absmax, int64_t count, int64_t block, Out* out,
                Instructions use) {
  int64_t done = 0;
#if defined(__x86_64__)
  if (use == Instructions::kAvx512)
    done = dequantise_avx512(packed, absmax, count, block, out);
  else if (use == Instructions::kAvx2)
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

// Indices by halving: a comparison with the middle of the values that are left, four times. Level k
// of the tree has 2^k middles.
constexpr std::array<std::array<float, 8>, 4> make_tree() {
  std::array<std::array<float, 8>, 4> tree{};
  for (size_t level = 0; level < 4; ++level)
    for (size_t i = 0; i < size_t{1} << level; ++i)
      tree[level][i] = kNf4Middles[((2 * i + 1) << (3 - level)) - 1];
  return tree;
}
constexpr std::array<std::array<float, 8>, 4> kTree = make_tree();

// `count` weights as packed indices; x = weight · scale.
void pack_plain(const float* weights, int64_t count, float scale, uint8_t* packed) {
  const auto index = [&](int64_t i) {
    if (i == count) return kNf4Zero;
    size_t found = 0;
    for (const auto& level : kTree) found = 2 * found + (weights[i] * scale > level[found] ? 1 : 0);
    return static_cast<int>(found);
  };
  for (int64_t i = 0; i < count; i += 2)
    packed[i / 2] = static_cast<uint8_t>(index(i) << 4 | index(i + 1));
}

#if defined(__x86_64__)

// Sixteen weights become eight bytes.
__attribute__((target("avx512f,avx512bw,avx512vl"))) int64_t pack_avx512(const float* weights,
                                                                         int64_t count, float scale,
                                                                         uint8_t* packed) {
  __m512 level[4];
  for (size_t i = 0; i < 4; ++i)
    level[i] = _mm512_castps256_ps512(_mm256_loadu_ps(kTree[i].data()));
  const __m512 factor = _mm512_set1_ps(scale);
  const __m512i one = _mm512_set1_epi32(1);
  int64_t done = 0;
  for (; done + 16 <= count; done += 16) {
    const __m512 x = _mm512_mul_ps(_mm512_loadu_ps(weights + done), factor);
    __m512i index = _mm512_setzero_si512();
    for (const __m512& middles : level) {
      const __mmask16 above =
          _mm512_cmp_ps_mask(x, _mm512_permutexvar_ps(index, middles), _CMP_GT_OQ);
      index = _mm512_add_epi32(index, index);
      index = _mm512_mask_add_epi32(index, above, index, one);
    }
    const __m512i pairs =
        _mm512_or_si512(_mm512_slli_epi64(index, 4), _mm512_srli_epi64(index, 32));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(packed + done / 2), _mm512_cvtepi64_epi8(pairs));
  }
  return done;
}

// Brings bytes 0 and 8 of each half to where they stand in four bytes, zeros elsewhere.
__attribute__((target("avx2"))) __m256i lowest_bytes() {
  const int first = static_cast<int>(0x80800800u), second = 0x08008080;
  const int none = static_cast<int>(0x80808080u);
  return _mm256_setr_epi32(first, none, none, none, second, none, none, none);
}

// Eight weights become four bytes.
__attribute__((target("avx2"))) int64_t pack_avx2(const float* weights, int64_t count, float scale,
                                                  uint8_t* packed) {
  __m256 level[4];
  for (size_t i = 0; i < 4; ++i) level[i] = _mm256_loadu_ps(kTree[i].data());
  const __m256 factor = _mm256_set1_ps(scale);
  const __m256i low_byte = lowest_bytes();
  int64_t done = 0;
  for (; done + 8 <= count; done += 8) {
    const __m256 x = _mm256_mul_ps(_mm256_loadu_ps(weights + done), factor);
    __m256i index = _mm256_setzero_si256();
    for (const __m256& middles : level) {
      const __m256 above = _mm256_cmp_ps(x, _mm256_permutevar8x32_ps(middles, index), _CMP_GT_OQ);
      index = _mm256_sub_epi32(_mm256_add_epi32(index, index), _mm256_castps_si256(above));
    }
    const __m256i pairs =
        _mm256_or_si256(_mm256_slli_epi64(index, 4), _mm256_srli_epi64(index, 32));
    const __m256i bytes = _mm256_shuffle_epi8(pairs, low_byte);
    const int four = _mm_cvtsi128_si32(_mm256_castsi256_si128(bytes)) |
                     _mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1));
    __builtin_memcpy(packed + done / 2, &four, sizeof four);
  }
  return done;
}

#endif

void pack(const float* weights, int64_t count, float scale, uint8_t* packed, Instructions use) {
  int64_t done = 0;
#if defined(__x86_64__)
  if (use == Instructions::kAvx512)
    done = pack_avx512(weights, count, scale, packed);
  else if (use == Instructions::kAvx2)
    done = pack_avx2(weights, count, scale, packed);
#endif
  pack_plain(weights + done, count - done, scale, packed + done / 2);
}

}  // namespace

const std::array<float, 16>& nf4_values() {
  return kNf4Values;
}

void quantise_nf4(const float* weights, int64_t count, int64_t block, uint8_t* packed,
                  float* absmax, Instructions use) {
  for (int64_t start = 0; start < count; start += block) {
    const int64_t size = std::min(block, count - start);
    const float largest = largest_magnitude(weights + start, size);
    absmax[start / block] = largest;
    pack(weights + start, size, 1.0f / std::max(largest, kNf4SmallestScale), packed + start / 2,
         use);
  }
}

void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    float* out, Instructions use) {
  dequantise(packed, absmax, count, block, out, use);
}

void dequantise_nf4(const uint8_t* packed, const float* absmax, int64_t count, int64_t block,
                    uint16_t* out, Instructions use) {
  dequantise(packed, absmax, count, block, out, use);
}

}  // namespace slmtune::kernels
