// The twins of the tensor-core instructions: fragments loaded by ldmatrix, multiplied by mma, give
// the matrix product, in the layout that kernels/cuda/tensor_core.cuh writes down.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/emulator/device_memory.h"
#include "tests/emulator/narrow_floats.h"
#include "tests/emulator/sample_kernels.h"

namespace slmtune::emulator_tests {
namespace {

using emulator::DeviceArray;

// Whole numbers from −8 to 8, exact in bfloat16 and in their sums.
std::vector<float> whole_numbers(size_t count, unsigned seed) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>((seed >> 20) % 17) - 8.0f);
  }
  return values;
}

std::vector<uint16_t> bf16_bits(const std::vector<float>& values) {
  std::vector<uint16_t> bits;
  for (const float value : values) bits.push_back(__float2bfloat16_rn(value).bits);
  return bits;
}

TEST(TensorCore, ProductOfLoadedFragmentsIsTheMatrixProduct) {
  const std::vector<float> a = whole_numbers(16 * 16, 1), b = whole_numbers(16 * 8, 2);
  std::vector<float> expected(16 * 8, 0.0f), columns(16 * 8);
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 8; ++column)
      for (size_t k = 0; k < 16; ++k) {
        expected[row * 8 + column] += a[row * 16 + k] * b[k * 8 + column];
        columns[column * 16 + k] = b[k * 8 + column];
      }
  for (const bool from_columns : {false, true}) {
    const DeviceArray<uint16_t> left(bf16_bits(a)), right(bf16_bits(from_columns ? columns : b));
    const DeviceArray<float> c(16 * 8);
    ASSERT_EQ(launch_product(left.data(), right.data(), from_columns, c.data(), nullptr), 0);
    EXPECT_EQ(c.values(), expected) << "from columns: " << from_columns;
  }
}

}  // namespace
}  // namespace slmtune::emulator_tests
