// The very kernels of int8.cu, run by the block emulator, against the loops of the CPU: the same
// bits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/quant/int8/int8_device.h"
#include "kernels/quant/int8/int8_weight.h"
#include "tests/emulator/device_allocator.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

constexpr CudaInt8 kEmulated = {launch_int8_dequantise, launch_int8_quantise};

// One value, rows that no 16 bytes fill, whole ones, and more groups than a block has threads.
const std::vector<std::vector<int64_t>> kShapes = {{1, 1}, {3, 5}, {7, 33}, {4, 64}, {2, 8200}};

// With a row of zeros and one that is as good as zeros.
at::Tensor weights_of(const std::vector<int64_t>& shape) {
  at::manual_seed(4);
  at::Tensor dense = at::randn(shape);
  if (shape[0] > 2) {
    dense[0].zero_();
    dense[1].fill_(1e-37);
  }
  return dense;
}

TEST(Int8Cuda, QuantisesToTheBytesOfTheCpu) {
  for (const auto& shape : kShapes)
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
      for (const int64_t offset : {0, 1}) {
        const at::Tensor dense = weights_of(shape).to(type);
        at::Tensor codes = empty_on_device(shape, at::kChar, offset),
                   absmax = empty_on_device({shape[0]}, at::kFloat);
        {
          const emulator::DeviceTensors active;
          quantise_int8_on_device(kEmulated, on_device(dense, offset), codes, absmax, nullptr);
        }
        const auto expected = Int8Weight(dense).state();
        EXPECT_TRUE(at::equal(codes, expected.at("weight"))) << shape[1] << " " << type;
        EXPECT_TRUE(at::equal(absmax, expected.at("weight.absmax"))) << shape[1] << " " << type;
      }
}

TEST(Int8Cuda, DequantisesToTheBitsOfTheCpu) {
  for (const auto& shape : kShapes) {
    const Int8Weight weight(weights_of(shape));
    const auto state = weight.state();
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
      for (const int64_t offset : {0, 1}) {
        at::Tensor target = empty_on_device(shape, type, offset);
        dequantise_int8_on_device(kEmulated, on_device(state.at("weight"), offset),
                                  on_device(state.at("weight.absmax")), target, nullptr);
        EXPECT_TRUE(at::equal(target, weight.dense(type))) << shape[1] << " " << type;
      }
  }
}

TEST(Int8Cuda, DequantisesIntoRowsThatStandApart) {
  for (const auto& shape : kShapes)
    for (const int64_t room : {3, 16}) {
      const Int8Weight weight(weights_of(shape));
      const auto state = weight.state();
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor whole = on_device(at::full({shape[0], shape[1] + room}, 7.0).to(type));
        at::Tensor target = whole.narrow(1, 0, shape[1]);
        dequantise_int8_on_device(kEmulated, on_device(state.at("weight")),
                                  on_device(state.at("weight.absmax")), target, nullptr);
        EXPECT_TRUE(at::equal(target, weight.dense(type))) << shape[1] << " " << type;
        EXPECT_TRUE(at::all(whole.slice(1, shape[1]) == 7.0).item<bool>()) << shape[1];
      }
    }
}

TEST(Int8Cuda, NothingIsDoneForNoRows) {
  EXPECT_EQ(launch_int8_dequantise({0, 64}, nullptr, nullptr, nullptr, 64, nullptr), 0);
  EXPECT_NE(launch_int8_dequantise({0, 64}, nullptr, nullptr, nullptr, 63, nullptr), 0);
  EXPECT_EQ(launch_int8_quantise({0, 64}, nullptr, nullptr, nullptr, nullptr), 0);
  EXPECT_NE(launch_int8_quantise({int64_t{1} << 31, 1}, nullptr, nullptr, nullptr, nullptr), 0);
}

}  // namespace
}  // namespace slmtune::kernels
