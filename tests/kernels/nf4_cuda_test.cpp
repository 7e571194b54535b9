// The very kernels of nf4.cu, run by the block emulator, against the loops of the CPU: the same
// bits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/quant/dynamic_map.h"
#include "kernels/quant/nf4/nf4_blocks.h"
#include "kernels/quant/nf4/nf4_device.h"
#include "tests/emulator/device_allocator.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

constexpr CudaNf4 kEmulated = {launch_nf4_dequantise, launch_nf4_quantise,
                               launch_nf4_quantise_scales};

// One run of a warp and its end, odd counts, and several blocks of threads.
constexpr int64_t kCounts[] = {1, 33, 64, 100, 1023, 1024, 2049, 9000};

Nf4Tensors stored_weight(int64_t count, int64_t block, int64_t nested_block) {
  at::manual_seed(static_cast<uint64_t>(count + block));
  const at::Tensor weights = at::randn({count});
  const int64_t blocks = (count + block - 1) / block;
  Nf4Tensors stored{at::empty({(count + 1) / 2}, at::kByte), at::empty({blocks}), {}, 0.0f, block};
  quantise_nf4(weights.const_data_ptr<float>(), count, block,
               stored.packed.mutable_data_ptr<uint8_t>(), stored.absmax.mutable_data_ptr<float>());
  if (nested_block == 0) return stored;
  stored.nested_block = nested_block;
  stored.offset = stored.absmax.mean().item<float>();
  const at::Tensor centred = stored.absmax - stored.offset;
  stored.absmax = at::empty({blocks}, at::kByte);
  stored.nested_absmax = at::empty({(blocks + nested_block - 1) / nested_block});
  quantise_dynamic(signed_dynamic_map(), centred.const_data_ptr<float>(), blocks, nested_block,
                   stored.absmax.mutable_data_ptr<uint8_t>(),
                   stored.nested_absmax.mutable_data_ptr<float>());
  return stored;
}

// `offset`: bytes and values start so many elements behind a multiple of 16 bytes.
Nf4Tensors guarded(Nf4Tensors stored, int64_t offset = 0) {
  stored.packed = on_device(stored.packed, offset);
  stored.absmax = on_device(stored.absmax);
  if (!stored.nested_absmax.defined()) return stored;
  stored.nested_absmax = on_device(stored.nested_absmax);
  stored.nested_map = on_device(nf4_nested_map(at::kCPU));
  return stored;
}

void expect_same_values(const Nf4Tensors& stored, int64_t count, int64_t offset) {
  const Nf4Weight reference(1, count, stored);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    at::Tensor target = empty_on_device({1, count}, type, offset);
    dequantise_nf4_on_device(kEmulated, guarded(stored, offset), target, nullptr);
    EXPECT_TRUE(at::equal(target, reference.dense(type)))
        << count << " " << stored.block << " " << stored.nested_block << " " << type;
  }
}

TEST(Nf4Cuda, DequantisesToTheBitsOfTheCpu) {
  for (const int64_t count : kCounts)
    for (const int64_t nested_block : {0, 256})
      expect_same_values(stored_weight(count, 64, nested_block), count, 0);
}

TEST(Nf4Cuda, DequantisesEverySizeOfBlocks) {
  for (const int64_t block : {32, 128, 1024, 2048, 4096})
    for (const int64_t nested_block : {0, 4})
      expect_same_values(stored_weight(5000, block, nested_block), 5000, 0);
}

TEST(Nf4Cuda, DequantisesArraysThatStartAnywhere) {
  expect_same_values(stored_weight(1500, 64, 256), 1500, 1);
  expect_same_values(stored_weight(1500, 64, 0), 1500, 3);
}

TEST(Nf4Cuda, DequantisesIntoRowsThatStandApart) {
  // Packs within a row, rows that cut packs and tiles, one row, and a room that shifts packs.
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{
           {40, 64}, {3, 1000}, {7, 333}, {1, 2048}, {130, 24}})
    for (const int64_t room : {5, 16}) {
      const Nf4Tensors stored = stored_weight(rows * columns, 64, 256);
      const Nf4Weight reference(rows, columns, stored);
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const at::Tensor whole = on_device(at::full({rows, columns + room}, 7.0).to(type));
        at::Tensor target = whole.narrow(1, 0, columns);
        dequantise_nf4_on_device(kEmulated, guarded(stored), target, nullptr);
        EXPECT_TRUE(at::equal(target, reference.dense(type))) << rows << " " << columns;
        EXPECT_TRUE(at::all(whole.slice(1, columns) == 7.0).item<bool>()) << rows << " " << columns;
      }
    }
}

TEST(Nf4Cuda, RefusesRowsThatOverlap) {
  for (const auto& [columns, stride] : {std::pair<int64_t, int64_t>{64, 63}, {0, 64}, {-1, 64}}) {
    CudaNf4Blocks from;
    from.columns = columns;
    from.stride = stride;
    EXPECT_NE(launch_nf4_dequantise(from, CudaElement::kF32, nullptr, nullptr), 0) << columns;
  }
}

Nf4Tensors quantised(const at::Tensor& dense, int64_t offset = 0) {
  const at::Tensor on_gpu = on_device(dense, offset);
  const emulator::DeviceTensors active;
  return quantise_nf4_on_device(kEmulated, on_gpu, nullptr);
}

void expect_same_state(const Nf4Tensors& found, const Nf4Weight& expected) {
  const auto state = expected.state();
  EXPECT_TRUE(at::equal(found.packed, state.at("weight")));
  EXPECT_TRUE(at::equal(found.absmax, state.at("weight.absmax")));
  EXPECT_TRUE(at::equal(found.nested_absmax, state.at("weight.nested_absmax")));
  EXPECT_EQ(found.offset, state.at("weight.nested_offset").item<float>());
}

TEST(Nf4Cuda, QuantisesToTheBytesOfTheCpu) {
  at::manual_seed(5);
  for (const auto& shape : {std::vector<int64_t>{1, 1}, {3, 5}, {7, 33}, {129, 511}, {40, 500}})
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
      const at::Tensor dense = at::randn(shape).to(type);
      SCOPED_TRACE(std::string(c10::toString(type)) + " " + std::to_string(dense.numel()));
      expect_same_state(quantised(dense), Nf4Weight(dense));
      expect_same_state(quantised(dense, 1), Nf4Weight(dense));
    }
}

// Weights at the middles between two values and just beside them, a block of zeros, and blocks
// whose reciprocal is not a normal number.
at::Tensor turning_points() {
  std::vector<float> weights;
  for (size_t i = 0; i < 15; ++i) {
    const float middle = (nf4_values()[i] + nf4_values()[i + 1]) / 2.0f;
    for (const float x : {std::nextafter(middle, -1.0f), middle, std::nextafter(middle, 1.0f)})
      weights.push_back(x);
  }
  weights.resize(63, 0.5f);
  weights.push_back(-1.0f);
  weights.resize(128, 0.0f);
  for (const float largest : {1e-39f, 3e38f}) {
    weights.push_back(-largest);
    weights.resize(weights.size() + 63, largest / 3);
  }
  return at::tensor(weights).view({1, -1});
}

TEST(Nf4Cuda, QuantisesWeightsBetweenTwoValuesAsTheCpuDoes) {
  const at::Tensor dense = turning_points();
  expect_same_state(quantised(dense), Nf4Weight(dense));
}

TEST(Nf4Cuda, QuantisesEverySizeOfBlocks) {
  at::manual_seed(6);
  for (int bits = 5; bits <= 12; ++bits)
    for (const int64_t count : {1, 40, 4097}) {
      const at::Tensor weights = at::randn({count});
      const int64_t block = int64_t{1} << bits, blocks = (count + block - 1) / block;
      at::Tensor packed = at::empty({(count + 1) / 2}, at::kByte), absmax = at::empty({blocks}),
                 found = empty_on_device(packed.sizes(), at::kByte),
                 largest = empty_on_device(absmax.sizes(), at::kFloat);
      quantise_nf4(weights.const_data_ptr<float>(), count, block,
                   packed.mutable_data_ptr<uint8_t>(), absmax.mutable_data_ptr<float>());
      ASSERT_EQ(launch_nf4_quantise(on_device(weights).const_data_ptr(), CudaElement::kF32, count,
                                    bits, found.mutable_data_ptr<uint8_t>(),
                                    largest.mutable_data_ptr<float>(), nullptr),
                0);
      EXPECT_TRUE(at::equal(found, packed)) << bits << " " << count;
      EXPECT_TRUE(at::equal(largest, absmax)) << bits << " " << count;
    }
}

TEST(Nf4Cuda, NothingIsDoneForNoWeightsAndUnknownBlocksAreRefused) {
  EXPECT_EQ(launch_nf4_dequantise({}, CudaElement::kBF16, nullptr, nullptr), 0);
  EXPECT_EQ(launch_nf4_quantise(nullptr, CudaElement::kF32, 0, 6, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(launch_nf4_quantise_scales(nullptr, 0, 0.0f, nullptr, 8, nullptr, nullptr, nullptr), 0);
  for (const int bits : {4, 13})
    EXPECT_NE(launch_nf4_quantise(nullptr, CudaElement::kF32, 1, bits, nullptr, nullptr, nullptr),
              0);
  EXPECT_NE(
      launch_nf4_dequantise({.block_bits = 4, .count = 1}, CudaElement::kF32, nullptr, nullptr), 0);
  EXPECT_NE(launch_nf4_quantise_scales(nullptr, 1, 0.0f, nullptr, -1, nullptr, nullptr, nullptr),
            0);
}

}  // namespace
}  // namespace slmtune::kernels
