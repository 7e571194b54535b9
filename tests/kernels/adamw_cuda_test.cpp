// The very kernels of adamw.cu, run by the block emulator, against the loops of the CPU: the same
// bits for float32.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/adamw/adam_loops.h"
#include "kernels/adamw/adamw_cuda.h"
#include "kernels/quant/dynamic_map.h"
#include "tests/emulator/device_memory.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::DeviceArray;
using emulator::on_device;

AdamVerdict judged(const at::Tensor& gradients, double scale, double clip_norm,
                   const double* loss = nullptr) {
  const DeviceArray<double> pieces(static_cast<size_t>(adamw_norm_pieces(gradients.numel())));
  const DeviceArray<AdamVerdict> verdict(1);
  const auto element =
      gradients.scalar_type() == at::kBFloat16 ? CudaElement::kBF16 : CudaElement::kF32;
  EXPECT_EQ(launch_adamw_judge(gradients.const_data_ptr(), element, gradients.numel(), loss, scale,
                               clip_norm, pieces.data(), verdict.data(), nullptr),
            0);
  return verdict.values()[0];
}

// Whole pieces and parts of one, and gradients that start anywhere.
TEST(AdamWCuda, NormIsThatOfTheCpuToTheLastBit) {
  at::manual_seed(1);
  for (const int64_t count :
       {int64_t{1}, int64_t{15}, int64_t{1000}, kNormPiece, kNormPiece + 17, 5 * kNormPiece + 3}) {
    const at::Tensor gradients = at::randn({count});
    double total = 0.0;
    for (int64_t first = 0; first < count; first += kNormPiece)
      total += sum_of_squares(gradients.const_data_ptr<float>() + first,
                              std::min(kNormPiece, count - first));
    for (const int64_t offset : {0, 1}) {
      const AdamVerdict verdict = judged(on_device(gradients, offset), 0.25, 0.0);
      EXPECT_EQ(verdict.norm, std::sqrt(total) * 0.25) << count;
      EXPECT_EQ(verdict.gradient_scale, 0.25f);
      EXPECT_EQ(verdict.applies, 1);
    }
  }
  const at::Tensor narrow = at::randn({777}, at::kBFloat16);
  EXPECT_NEAR(judged(on_device(narrow), 1.0, 0.0).norm,
              narrow.to(at::kDouble).norm().item<double>(), 1e-12);
}

TEST(AdamWCuda, ClipsTheNormOfAllGradients) {
  const at::Tensor gradients = on_device(at::tensor({3.0f, 0.0f, 4.0f}));
  EXPECT_EQ(judged(gradients, 2.0, 1.0).gradient_scale,
            static_cast<float>(2.0 * (1.0 / (10.0 + 1e-6))));
  EXPECT_EQ(judged(gradients, 0.1, 1.0).gradient_scale, 0.1f);
  EXPECT_EQ(judged(gradients, 0.1, 0.0).norm, 0.5);
}

TEST(AdamWCuda, JudgesNumbersThatAreNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::nanf("")})
    EXPECT_EQ(judged(on_device(at::tensor({1.0f, bad, 2.0f})), 1.0, 1.0).applies, 0);
  const at::Tensor good = on_device(at::ones({3}));
  for (const double loss : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const DeviceArray<double> on_gpu(std::vector<double>{loss});
    EXPECT_EQ(judged(good, 1.0, 1.0, on_gpu.data()).applies, 0);
  }
  const DeviceArray<double> fine(std::vector<double>{2.5});
  EXPECT_EQ(judged(good, 1.0, 1.0, fine.data()).applies, 1);
  EXPECT_EQ(judged(on_device(at::empty({0})), 1.0, 1.0).norm, 0.0);
}

struct Numbers {
  at::Tensor gradients, parameters, exp_avg, exp_avg_sq;
};

Numbers numbers(int64_t count, at::ScalarType type = at::kFloat) {
  at::manual_seed(static_cast<uint64_t>(count));
  return {at::randn({count}, type), at::randn({count}, type), at::randn({count}, type),
          at::rand({count}, type)};
}

Numbers guarded(const Numbers& host, int64_t offset = 0) {
  return {on_device(host.gradients, offset), on_device(host.parameters, offset),
          on_device(host.exp_avg, offset), on_device(host.exp_avg_sq, offset)};
}

AdamStep third_step(double gradient_scale) {
  return adam_step({.beta1 = 0.9, .beta2 = 0.95, .weight_decay = 0.1}, 1e-2, 3, gradient_scale);
}

int update(const Numbers& on_gpu, const AdamVerdict& verdict) {
  const DeviceArray<AdamVerdict> told(std::vector<AdamVerdict>{verdict});
  const AdamArrays arrays{.element = on_gpu.parameters.scalar_type() == at::kBFloat16
                                         ? CudaElement::kBF16
                                         : CudaElement::kF32,
                          .gradients = on_gpu.gradients.const_data_ptr(),
                          .parameters = on_gpu.parameters.mutable_data_ptr(),
                          .exp_avg = on_gpu.exp_avg.mutable_data_ptr(),
                          .exp_avg_sq = on_gpu.exp_avg_sq.mutable_data_ptr(),
                          .count = on_gpu.parameters.numel()};
  return launch_adamw_update(third_step(1.0), arrays, told.data(), nullptr);
}

void expect_same(const Numbers& found, const Numbers& expected) {
  EXPECT_TRUE(at::equal(found.parameters, expected.parameters));
  EXPECT_TRUE(at::equal(found.exp_avg, expected.exp_avg));
  EXPECT_TRUE(at::equal(found.exp_avg_sq, expected.exp_avg_sq));
}

TEST(AdamWCuda, UpdatesToTheBitsOfTheCpu) {
  for (const int64_t count : {1, 3, 64, 1000, 2051})
    for (const int64_t offset : {0, 1}) {
      const Numbers host = numbers(count), on_gpu = guarded(host, offset);
      ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 1}), 0);
      adamw_loop(third_step(0.3), count, host.gradients.const_data_ptr<float>(),
                 host.parameters.mutable_data_ptr<float>(), host.exp_avg.mutable_data_ptr<float>(),
                 host.exp_avg_sq.mutable_data_ptr<float>());
      SCOPED_TRACE(count);
      expect_same(on_gpu, host);
    }
}

TEST(AdamWCuda, UpdatesBFloat16ThroughFloat32) {
  const Numbers host = numbers(1003, at::kBFloat16), on_gpu = guarded(host);
  ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 1}), 0);
  const auto wide = [](const at::Tensor& x) { return x.to(at::kFloat); };
  const Numbers expected = {wide(host.gradients), wide(host.parameters), wide(host.exp_avg),
                            wide(host.exp_avg_sq)};
  adamw_loop(third_step(0.3), 1003, expected.gradients.const_data_ptr<float>(),
             expected.parameters.mutable_data_ptr<float>(),
             expected.exp_avg.mutable_data_ptr<float>(),
             expected.exp_avg_sq.mutable_data_ptr<float>());
  const auto narrow = [](const at::Tensor& x) { return x.to(at::kBFloat16); };
  expect_same(on_gpu, {host.gradients, narrow(expected.parameters), narrow(expected.exp_avg),
                       narrow(expected.exp_avg_sq)});
}

TEST(AdamWCuda, ChangesNothingWhenTheVerdictSaysSo) {
  const Numbers host = numbers(70), on_gpu = guarded(host);
  ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 0}), 0);
  expect_same(on_gpu, host);
}

// Two tensors with codes, one of them with an odd end, and a small one between.
constexpr int64_t kLargeCounts[] = {3000, 9 * kMomentBlock};
constexpr int64_t kSmallCount = 300, kSmallFirst = 3008, kSecondFirst = 3312;
constexpr int64_t kValues = kSecondFirst + kLargeCounts[1], kCodeBlocks = 12 + 9;

struct EightBit {
  at::Tensor gradients, parameters, exp_avg, exp_avg_sq, exp_avg_scale, exp_avg_sq_scale,
      small_exp_avg, small_exp_avg_sq;
};

EightBit eight_bit(at::ScalarType type) {
  at::manual_seed(9);
  const auto codes = [] { return at::randint(0, 256, {kCodeBlocks * kMomentBlock}, at::kByte); };
  return {at::randn({kValues}).pow_(3).to(type),
          at::randn({kValues}).to(type),
          codes(),
          codes(),
          at::rand({kCodeBlocks}),
          at::rand({kCodeBlocks}),
          at::randn({kSmallCount}),
          at::rand({kSmallCount})};
}

std::vector<MomentBlock> moment_blocks() {
  std::vector<MomentBlock> blocks;
  const auto add = [&](int64_t first, int64_t place, int64_t count, int32_t is_small) {
    for (int64_t i = 0; i < count; i += kMomentBlock)
      blocks.push_back({first + i, place + i,
                        static_cast<int32_t>(std::min(kMomentBlock, count - i)), is_small});
  };
  add(0, 0, kLargeCounts[0], 0);
  add(kSmallFirst, 0, kSmallCount, 1);
  add(kSecondFirst, 12 * kMomentBlock, kLargeCounts[1], 0);
  return blocks;
}

void update_on_cpu(const EightBit& numbers, const AdamStep& step) {
  const float* g = numbers.gradients.const_data_ptr<float>();
  float* p = numbers.parameters.mutable_data_ptr<float>();
  for (const MomentBlock& block : moment_blocks()) {
    if (block.is_small != 0) {
      adamw_loop(step, block.count, g + block.first, p + block.first,
                 numbers.small_exp_avg.mutable_data_ptr<float>() + block.place,
                 numbers.small_exp_avg_sq.mutable_data_ptr<float>() + block.place);
      continue;
    }
    const int64_t scale = block.place / kMomentBlock;
    adamw8bit_loop(step, block.count, g + block.first, p + block.first,
                   {numbers.exp_avg.mutable_data_ptr<uint8_t>() + block.place,
                    numbers.exp_avg_scale.mutable_data_ptr<float>() + scale,
                    numbers.exp_avg_sq.mutable_data_ptr<uint8_t>() + block.place,
                    numbers.exp_avg_sq_scale.mutable_data_ptr<float>() + scale});
  }
}

EightBit guarded(const EightBit& host) {
  return {on_device(host.gradients),     on_device(host.parameters),
          on_device(host.exp_avg),       on_device(host.exp_avg_sq),
          on_device(host.exp_avg_scale), on_device(host.exp_avg_sq_scale),
          on_device(host.small_exp_avg), on_device(host.small_exp_avg_sq)};
}

int update(const EightBit& on_gpu, const AdamVerdict& verdict) {
  const DeviceArray<AdamVerdict> told(std::vector<AdamVerdict>{verdict});
  const DeviceArray<MomentBlock> blocks(moment_blocks());
  const auto map = [](const DynamicMap& values) {
    return std::vector<float>(values.begin(), values.end());
  };
  const DeviceArray<float> with_sign(map(signed_dynamic_map())),
      without(map(unsigned_dynamic_map()));
  const Adam8bitArrays arrays{.element = on_gpu.parameters.scalar_type() == at::kBFloat16
                                             ? CudaElement::kBF16
                                             : CudaElement::kF32,
                              .gradients = on_gpu.gradients.const_data_ptr(),
                              .parameters = on_gpu.parameters.mutable_data_ptr(),
                              .blocks = blocks.data(),
                              .block_count = static_cast<int64_t>(moment_blocks().size()),
                              .exp_avg = on_gpu.exp_avg.mutable_data_ptr<uint8_t>(),
                              .exp_avg_sq = on_gpu.exp_avg_sq.mutable_data_ptr<uint8_t>(),
                              .exp_avg_scale = on_gpu.exp_avg_scale.mutable_data_ptr<float>(),
                              .exp_avg_sq_scale = on_gpu.exp_avg_sq_scale.mutable_data_ptr<float>(),
                              .small_exp_avg = on_gpu.small_exp_avg.mutable_data_ptr<float>(),
                              .small_exp_avg_sq = on_gpu.small_exp_avg_sq.mutable_data_ptr<float>(),
                              .signed_map = with_sign.data(),
                              .unsigned_map = without.data()};
  return launch_adamw_update_8bit(third_step(1.0), arrays, told.data(), nullptr);
}

// Codes behind the end of a tensor are nobody's.
void expect_same_codes(const at::Tensor& found, const at::Tensor& expected) {
  const int64_t second = 12 * kMomentBlock;
  EXPECT_TRUE(at::equal(found.slice(0, 0, kLargeCounts[0]), expected.slice(0, 0, kLargeCounts[0])));
  EXPECT_TRUE(at::equal(found.slice(0, second), expected.slice(0, second)));
}

void expect_same(const EightBit& found, const EightBit& expected) {
  EXPECT_TRUE(at::equal(found.parameters, expected.parameters));
  expect_same_codes(found.exp_avg, expected.exp_avg);
  expect_same_codes(found.exp_avg_sq, expected.exp_avg_sq);
  EXPECT_TRUE(at::equal(found.exp_avg_scale, expected.exp_avg_scale));
  EXPECT_TRUE(at::equal(found.exp_avg_sq_scale, expected.exp_avg_sq_scale));
  EXPECT_TRUE(at::equal(found.small_exp_avg, expected.small_exp_avg));
  EXPECT_TRUE(at::equal(found.small_exp_avg_sq, expected.small_exp_avg_sq));
}

TEST(AdamW8bitCuda, UpdatesToTheBytesOfTheCpu) {
  const EightBit host = eight_bit(at::kFloat), on_gpu = guarded(host);
  for (int step = 0; step < 2; ++step) {
    ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 1}), 0);
    update_on_cpu(host, third_step(0.3));
    expect_same(on_gpu, host);
  }
}

TEST(AdamW8bitCuda, UpdatesBFloat16ThroughFloat32) {
  const EightBit host = eight_bit(at::kBFloat16), on_gpu = guarded(host);
  ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 1}), 0);
  EightBit wide = host;
  wide.gradients = host.gradients.to(at::kFloat);
  wide.parameters = host.parameters.to(at::kFloat);
  update_on_cpu(wide, third_step(0.3));
  wide.parameters = wide.parameters.to(at::kBFloat16);
  expect_same(on_gpu, wide);
}

TEST(AdamW8bitCuda, ChangesNothingWhenTheVerdictSaysSo) {
  const EightBit host = eight_bit(at::kFloat), on_gpu = guarded(host);
  ASSERT_EQ(update(on_gpu, {1.0, 0.3f, 0}), 0);
  expect_same(on_gpu, host);
}

TEST(AdamWCudaLimits, NothingIsDoneForNoValues) {
  EXPECT_EQ(launch_adamw_update({}, {}, nullptr, nullptr), 0);
  EXPECT_EQ(launch_adamw_update_8bit({}, {}, nullptr, nullptr), 0);
  EXPECT_NE(launch_adamw_update({}, {.count = -1}, nullptr, nullptr), 0);
}

}  // namespace
}  // namespace slmtune::kernels
