// Bytes of ggml: hashes of what ggml_quantize_chunk makes of the same numbers; encodings_parity.py
// compares with that function itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/export/encoding_numbers.h"

namespace slmtune::exporting {
namespace {

struct Golden {
  std::string name;
  uint64_t a, b, c;                             // by set
  uint64_t weighted_a, weighted_b, weighted_c;  // with uneven_importance()
  uint64_t edges, weighted_edges;
  double rms;  // of the error on set A
};

// The three formats without levels have no use for weights.
const Golden kGolden[] = {
    {"f16", 0xcc6b46f91a7a0bb5, 0x54003de662469911, 0x3bbe045a8f6029dd, 0xcc6b46f91a7a0bb5,
     0x54003de662469911, 0x3bbe045a8f6029dd, 0x99c1a65d9e3290a8, 0x99c1a65d9e3290a8, 0.00010503},
    {"bf16", 0x99ad5f278c91a859, 0xbb81d0451534d852, 0xd762eaeea8093c1f, 0x99ad5f278c91a859,
     0xbb81d0451534d852, 0xd762eaeea8093c1f, 0x50a7595e229f99e5, 0x50a7595e229f99e5, 0.000830835},
    {"q8_0", 0xe026b221df80fc55, 0xbafde6bed7dcd62f, 0x2721e2f10d6c19c9, 0xe026b221df80fc55,
     0xbafde6bed7dcd62f, 0x2721e2f10d6c19c9, 0xdd25a6aca8d2451c, 0xdd25a6aca8d2451c, 0.00219165},
    {"q4_0", 0xc2cd7739b5e10235, 0xa32933557eabcd13, 0x3c5305a16fc35083, 0x4aa80a7aab5d9ea2,
     0x0377a6b3dae387ef, 0x26c8a2ae7d20bde3, 0xd7a9a046c77970ce, 0x8864b2a1512d3aaf, 0.0372607},
    {"q4_1", 0x59bf7ff53c60d99b, 0xe4a11b9e3a6b67fd, 0x02a5b243cb3b00eb, 0x8307414823256b54,
     0x4e1ffda5986552ec, 0x33ac4dff268621c1, 0xc3ab85fb53c92fee, 0xc0ea902ebb637cd1, 0.0357465},
    {"q5_0", 0x8658f6b868c33c9d, 0x37fed0a531e05036, 0x24f816ae303acdad, 0xfb89e94d953d3e9f,
     0x91e59fddc6c16b62, 0x86fab6a5a39b21a7, 0x04ec73be24f6196b, 0x44953986ec8eb740, 0.018404},
    {"q5_1", 0xd6001c5a58d78ba6, 0xf1e00831f785829f, 0x69ce5ab9e58d279a, 0xa5deece489c89888,
     0x2852417f267b25c0, 0x32c9dabc72a16907, 0x99c6c31cf18d2702, 0x36c6fecdcf414b20, 0.0170576},
    {"iq4_nl", 0x4010ad24b5398c02, 0x1de6691cedfb27a5, 0x7b805f88c4731788, 0x02857277e3685160,
     0x99e0c693a50dcc86, 0x5e5bc57a3bf898c8, 0xd6c9c69dcc8aab6b, 0x9a825b0dd92674bb, 0.0366809},
    {"q2_k", 0x44123d71ff7628de, 0x566de6ef4c5cf217, 0x37a5b4dccc7a1f05, 0x37246b9bab627445,
     0xdeeb7126a561f00b, 0x96aacdcfa8c8e418, 0xc300ef496403481a, 0x71d06e02a5a1060e, 0.137331},
    {"q3_k", 0xf861e2c4c0873784, 0xe5cad25517ca39d5, 0x15068382cb5cdb04, 0x8102db2f940313b4,
     0xeb53c9054fa72bd3, 0x7d44fde2d250db90, 0x5d9a6e88905db328, 0x283bb6e11d8c5b30, 0.0719961},
    {"q4_k", 0x6c11c8db09a55f5b, 0x3fb02ecb2758e2ad, 0xf48f50e91053a32c, 0x614849d5badcb36b,
     0x53bde235c2c77abd, 0xaa03fd3ae4a6af4c, 0x79ed92f4c345c482, 0x4588fc251972ce42, 0.0317171},
    {"q5_k", 0xd3b58cb567d83728, 0xd6cb773cadfb90b6, 0xa7bbe1af83de84dd, 0x3d09b73a65be01fe,
     0x77fbb84459c7e4f1, 0xda5dc9d55e8e64f3, 0x95a4075d3e868650, 0x2597708b352e3631, 0.0161692},
    {"q6_k", 0x88401b9f426abfca, 0x6dd79e2a58b0e581, 0xf11e4e4e1c80c754, 0x2aabf4411e6cf73b,
     0x110b0a0261a6aa8b, 0xda7f717230c06f79, 0xe618f6fb4e01d6ce, 0x58578aec7ea90f5f, 0.00767048},
};

// Rows of 256 that are zeros, constant, one outlier, subnormal, tiny, huge, the largest float, with
// NaN and with infinities.
std::vector<float> edges() {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> values;
  const auto add = [&](const auto& value_at) {
    for (int i = 0; i < 256; ++i) values.push_back(value_at(i));
  };
  const auto sign = [](int i) { return i % 3 == 1 ? -1.0f : 1.0f; };
  const auto small = [&](int i) { return sign(i) * static_cast<float>(i % 5 + 1); };
  for (float constant : {0.0f, -0.0f, 0.7f, -0.7f}) add([&](int) { return constant; });
  add([](int i) { return i == 100 ? -5.0f : 0.0f; });
  for (float scale : {0x1p-148f, 0x1p-60f, 0x1p100f}) add([&](int i) { return small(i) * scale; });
  add([&](int i) { return sign(i) * std::numeric_limits<float>::max(); });
  add([&](int i) { return i == 0 || i == 37 || i == 255 ? kNan : small(i); });
  add([&](int i) { return i == 255 ? -kInfinity : i == 0 || i == 37 ? kInfinity : small(i); });
  add([](int) { return kNan; });
  return values;
}

class GoldenEncoding : public ::testing::TestWithParam<Golden> {
 protected:
  const Encoding& encoding() const { return *find_encoding(GetParam().name); }
};

TEST_P(GoldenEncoding, HasTheBytesOfGgml) {
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kA))), GetParam().a);
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kB))), GetParam().b);
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kC))), GetParam().c);
}

TEST_P(GoldenEncoding, HasTheBytesOfGgmlWithImportance) {
  const std::vector<float> weights = uneven_importance();
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kA), weights)), GetParam().weighted_a);
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kB), weights)), GetParam().weighted_b);
  EXPECT_EQ(hash_of(encode(encoding(), numbers(Set::kC), weights)), GetParam().weighted_c);
}

#if defined(__x86_64__)
TEST_P(GoldenEncoding, HasTheBytesOfGgmlForBlocksThatNoModelShouldHold) {
  EXPECT_EQ(hash_of(encode(encoding(), edges())), GetParam().edges);
  EXPECT_EQ(hash_of(encode(encoding(), edges(), uneven_importance())), GetParam().weighted_edges);
}
#endif

TEST_P(GoldenEncoding, DecodesToTheKnownError) {
  const std::vector<float> values = numbers(Set::kA), decoded = round_trip(encoding(), values);
  double sum = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double off = double{values[i]} - double{decoded[i]};
    sum += off * off;
  }
  EXPECT_NEAR(std::sqrt(sum / static_cast<double>(values.size())), GetParam().rms,
              GetParam().rms * 1e-5);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenEncoding, ::testing::ValuesIn(kGolden),
                         [](const auto& test) { return test.param.name; });

TEST(GoldenEncodings, EveryQuantisedEncodingHasItsRow) {
  std::vector<std::string> rows = {"f32"}, found;
  for (const Golden& golden : kGolden) rows.push_back(golden.name);
  for (const Encoding& encoding : encodings()) found.emplace_back(encoding.name);
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(rows));
}

}  // namespace
}  // namespace slmtune::exporting
