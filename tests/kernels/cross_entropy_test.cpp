#include "kernels/cross_entropy/cross_entropy.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <vector>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

struct Tolerance {
  at::ScalarType dtype;
  double loss, gradient;  // absolute; bfloat16 rounds the gradient itself
};
constexpr Tolerance kTolerances[] = {
    {at::kFloat, 5e-6, 5e-7}, {at::kBFloat16, 5e-6, 2e-3}, {at::kDouble, 1e-12, 1e-12}};

struct Case {
  at::Tensor logits, targets;
};

Case random_case(int64_t rows, int64_t vocabulary, at::ScalarType dtype, double spread = 4.0) {
  return {(at::randn({rows, vocabulary}, at::kDouble) * spread).to(dtype),
          at::randint(vocabulary, {rows}, at::kLong)};
}

struct Expected {
  at::Tensor losses, gradient;
};

Expected reference(const Case& given, double soft_cap) {
  at::Tensor x = given.logits.to(at::kDouble, false, true).requires_grad_(true);
  const at::Tensor z = soft_cap > 0.0 ? at::tanh(x / soft_cap) * soft_cap : x;
  const at::Tensor losses = at::cross_entropy_loss(z, given.targets, {}, at::Reduction::None);
  return {losses.detach(), torch::autograd::grad({losses.sum()}, {x})[0]};
}

double worst(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual.to(at::kDouble) - expected).abs().max().item<double>();
}

// Around the length of a block of the loops, and beyond it.
TEST(CrossEntropy, MatchesFloat64WithAndWithoutASoftCap) {
  at::manual_seed(1);
  for (const auto& [dtype, loss, gradient] : kTolerances)
    for (const double soft_cap : {0.0, 3.0, 30.0})
      for (const int64_t vocabulary : {1, 5, 1023, 1024, 1025, 5000}) {
        Case given = random_case(3, vocabulary, dtype);
        const Expected expected = reference(given, soft_cap);
        EXPECT_LT(worst(cross_entropy(given.logits, given.targets, soft_cap), expected.losses),
                  loss);
        const at::Tensor losses = cross_entropy_in_place(given.logits, given.targets, soft_cap);
        EXPECT_LT(worst(losses, expected.losses), loss);
        EXPECT_LT(worst(given.logits, expected.gradient), gradient) << vocabulary;
      }
}

// The maximum moves from block to block, up and down, by far more than e^x can span.
TEST(CrossEntropy, HoldsForLogitsOfAnySize) {
  at::manual_seed(2);
  for (const double spread : {0.0, 100.0, 1e4}) {
    Case given = random_case(4, 4096, at::kFloat, spread);
    given.logits[1] = at::linspace(-1e4, 1e4, 4096, at::kFloat);
    given.logits[2] = at::linspace(1e4, -1e4, 4096, at::kFloat);
    const Expected expected = reference(given, 0.0);
    const at::Tensor losses = cross_entropy_in_place(given.logits, given.targets, 0.0);
    EXPECT_LT(worst(losses, expected.losses), 1e-7 * (spread + 1e4) + 1e-5);
    EXPECT_LT(worst(given.logits, expected.gradient), 1e-6);
  }
}

TEST(CrossEntropy, ALogitOfMinusInfinityHasNoProbability) {
  Case given = random_case(1, 2000, at::kFloat);
  given.targets.fill_(1500);
  given.logits.narrow(1, 0, 1200).fill_(-std::numeric_limits<float>::infinity());
  const Expected expected = reference(given, 0.0);
  const at::Tensor losses = cross_entropy_in_place(given.logits, given.targets, 0.0);
  EXPECT_LT(worst(losses, expected.losses), 1e-5);
  EXPECT_EQ(given.logits.narrow(1, 0, 1200).abs().max().item<float>(), 0.0f);
}

TEST(CrossEntropy, NaNAndInfinityMakeTheirRowsLossNaN) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    Case given = random_case(3, 1500, dtype);
    given.logits[0][1400] = std::numeric_limits<float>::quiet_NaN();
    given.logits[2][7] = std::numeric_limits<float>::infinity();
    const at::Tensor losses = cross_entropy_in_place(given.logits, given.targets, 0.0);
    EXPECT_TRUE(losses[0].isnan().item<bool>());
    EXPECT_TRUE(losses[1].isfinite().item<bool>());
    EXPECT_TRUE(losses[2].isnan().item<bool>());
    EXPECT_TRUE(given.logits[1].isfinite().all().item<bool>());
  }
}

TEST(CrossEntropy, SameBitsForAnyThreadCount) {
  at::manual_seed(3);
  const int threads = at::get_num_threads();
  std::vector<Case> results;
  const Case given = random_case(9, 3000, at::kFloat);
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    Case copy{given.logits.clone(), given.targets};
    copy.targets = cross_entropy_in_place(copy.logits, copy.targets, 0.0);
    results.push_back(copy);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0].logits, results[1].logits));
  EXPECT_TRUE(at::equal(results[0].targets, results[1].targets));
}

TEST(CrossEntropy, ARowWithoutATargetHasNeitherLossNorGradient) {
  at::manual_seed(4);
  for (const auto& [dtype, loss, gradient] : kTolerances) {
    Case given = random_case(3, 40, dtype);
    given.targets[1] = kNoTarget;
    const at::Tensor alone = cross_entropy(given.logits, given.targets, 3.0);
    const at::Tensor losses = cross_entropy_in_place(given.logits, given.targets, 3.0);
    EXPECT_TRUE(at::equal(alone, losses));
    EXPECT_EQ(losses[1].item<double>(), 0.0);
    EXPECT_GT(losses[2].item<double>(), 0.0);
    EXPECT_EQ(given.logits[1].abs().max().item<double>(), 0.0);
    EXPECT_GT(given.logits[2].abs().max().item<double>(), 0.0);
  }
}

TEST(CrossEntropy, WrongTargetsAreOurBug) {
  const at::Tensor logits = at::zeros({2, 4});
  EXPECT_THROW(cross_entropy(logits, at::tensor({0, 4}, at::kLong), 0.0), InternalError);
  EXPECT_THROW(cross_entropy(logits, at::tensor({0, -1}, at::kLong), 0.0), InternalError);
  EXPECT_THROW(cross_entropy(logits, at::tensor({0}, at::kLong), 0.0), InternalError);
  EXPECT_EQ(cross_entropy(at::zeros({0, 4}), at::empty({0}, at::kLong), 0.0).size(0), 0);
}

}  // namespace
}  // namespace slmtune::kernels
