// The GPU's cross-entropy, run by the block emulator, against the CPU's in float64.
#include "kernels/cross_entropy/cross_entropy_cuda.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "kernels/cross_entropy/cross_entropy.h"
#include "tests/emulator/device_tensor.h"

namespace slmtune::kernels {
namespace {

using emulator::empty_on_device;
using emulator::on_device;

struct Results {
  at::Tensor alone, losses, gradient;
};

CudaRows rows_of(const at::Tensor& logits) {
  return {logits.size(0), logits.size(1),
          logits.scalar_type() == at::kFloat ? CudaElement::kF32 : CudaElement::kBF16, 0};
}

// `offset`: elements between a multiple of 256 bytes and the first logit.
Results ours(const at::Tensor& logits, const at::Tensor& targets, double soft_cap,
             int64_t offset = 0) {
  const at::Tensor there = on_device(logits, offset), ids = on_device(targets);
  const CudaRows rows = rows_of(logits);
  Results made{empty_on_device({rows.count}, at::kFloat), empty_on_device({rows.count}, at::kFloat),
               there};
  const auto cap = static_cast<float>(soft_cap);
  EXPECT_EQ(launch_cross_entropy(rows, there.data_ptr(), ids.data_ptr<int64_t>(),
                                 made.alone.data_ptr<float>(), cap, nullptr),
            0);
  EXPECT_EQ(launch_cross_entropy_in_place(rows, there.data_ptr(), ids.data_ptr<int64_t>(),
                                          made.losses.data_ptr<float>(), cap, nullptr),
            0);
  return made;
}

double worst(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor random_logits(int64_t rows, int64_t vocabulary, at::ScalarType dtype) {
  return (at::randn({rows, vocabulary}, at::kDouble) * 4.0).to(dtype);
}

TEST(CrossEntropyCuda, IsTheCpusForAnyVocabularyAndPlaceInMemory) {
  at::manual_seed(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16})
    for (const double soft_cap : {0.0, 3.0})
      for (const int64_t vocabulary : {1, 5, 32, 777, 4104, 4099}) {
        const at::Tensor logits = random_logits(3, vocabulary, dtype);
        const at::Tensor targets = at::randint(vocabulary, {3}, at::kLong);
        at::Tensor wide = logits.to(at::kDouble);
        const at::Tensor exact = cross_entropy_in_place(wide, targets, soft_cap);
        const Results found = ours(logits, targets, soft_cap, vocabulary % 3);
        EXPECT_LT(worst(found.alone, exact), 1e-5) << vocabulary;
        EXPECT_LT(worst(found.losses, exact), 1e-5) << vocabulary;
        EXPECT_LT(worst(found.gradient, wide), dtype == at::kFloat ? 1e-6 : 3e-3) << vocabulary;
      }
}

TEST(CrossEntropyCuda, ARowWithoutATargetHasNeitherLossNorGradient) {
  at::manual_seed(2);
  const at::Tensor logits = random_logits(3, 50, at::kBFloat16);
  const Results found =
      ours(logits, at::tensor({7, static_cast<int>(kNoTarget), 49}, at::kLong), 0.0);
  EXPECT_EQ(found.alone[1].item<float>(), 0.0f);
  EXPECT_EQ(found.losses[1].item<float>(), 0.0f);
  EXPECT_EQ(found.gradient[1].abs().max().item<float>(), 0.0f);
  EXPECT_GT(found.losses[2].item<float>(), 0.0f);
}

TEST(CrossEntropyCuda, WhatIsNoNumberOrNoIdGivesNoLoss) {
  at::manual_seed(3);
  at::Tensor logits = random_logits(5, 600, at::kFloat);
  logits[0][599] = std::numeric_limits<float>::quiet_NaN();
  logits[1][3] = std::numeric_limits<float>::infinity();
  logits[4].narrow(0, 0, 300).fill_(-std::numeric_limits<float>::infinity());
  const Results found = ours(logits, at::tensor({1, 2, 600, -1, 400}, at::kLong), 0.0);
  for (const at::Tensor& losses : {found.alone, found.losses})
    EXPECT_TRUE(at::equal(losses.isnan(), at::tensor({1, 1, 1, 1, 0}, at::kInt).to(at::kBool)));
  EXPECT_EQ(found.gradient[4].narrow(0, 0, 300).abs().max().item<float>(), 0.0f);
}

// The maximum moves by far more than e^x can span.
TEST(CrossEntropyCuda, HoldsForLogitsOfAnySize) {
  at::Tensor logits = at::stack({at::linspace(-1e4, 1e4, 2000), at::linspace(1e4, -1e4, 2000)});
  const at::Tensor targets = at::tensor({1990, 1990}, at::kLong);
  at::Tensor wide = logits.to(at::kDouble);
  const at::Tensor exact = cross_entropy_in_place(wide, targets, 0.0);
  const Results found = ours(logits, targets, 0.0);
  EXPECT_LT(worst(found.losses, exact), 5e-3);
  EXPECT_LT(worst(found.gradient, wide), 1e-6);
}

TEST(CrossEntropyCuda, TakesNoRowsAndRefusesNoColumns) {
  EXPECT_EQ(
      launch_cross_entropy({0, 5, CudaElement::kF32, 0}, nullptr, nullptr, nullptr, 0.0f, nullptr),
      0);
  EXPECT_NE(
      launch_cross_entropy({1, 0, CudaElement::kF32, 0}, nullptr, nullptr, nullptr, 0.0f, nullptr),
      0);
  EXPECT_NE(launch_cross_entropy_in_place({-1, 5, CudaElement::kBF16, 0}, nullptr, nullptr, nullptr,
                                          0.0f, nullptr),
            0);
}

}  // namespace
}  // namespace slmtune::kernels
