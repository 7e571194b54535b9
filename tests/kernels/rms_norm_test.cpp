#include "kernels/rms_norm/rms_norm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

constexpr double kEps = 1e-6;

at::Tensor reference(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor wide = x.to(at::kDouble);
  return wide * at::rsqrt(wide.square().mean(-1, true) + kEps) * weight.to(at::kDouble);
}

double worst(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual.to(at::kDouble) - expected).abs().max().item<double>();
}

TEST(RmsNorm, MatchesFloat64ForManyShapes) {
  at::manual_seed(1);
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{1, 1}, {5, 7}, {3, 64}, {2, 9, 33}, {300, 256}, {17}}) {
    const at::Tensor x = at::randn(shape) * 4, weight = at::randn({shape.back()});
    const at::Tensor y = rms_norm(x, weight, kEps);
    EXPECT_EQ(y.sizes(), x.sizes());
    EXPECT_LT(worst(y, reference(x, weight)), 2e-5) << x.sizes();
  }
}

TEST(RmsNorm, GradientsMatchFloat64) {
  at::manual_seed(2);
  for (const int64_t rows : {1, 63, 64, 200}) {
    at::Tensor x = at::randn({rows, 96}).requires_grad_(true),
               weight = at::randn({96}).requires_grad_(true);
    const at::Tensor grad_y = at::randn({rows, 96});
    const auto actual = torch::autograd::grad({rms_norm(x, weight, kEps)}, {x, weight}, {grad_y});
    const auto expected =
        torch::autograd::grad({reference(x, weight)}, {x, weight}, {grad_y.to(at::kDouble)});
    EXPECT_LT(worst(actual[0], expected[0].to(at::kDouble)), 1e-5);
    EXPECT_LT(worst(actual[1], expected[1].to(at::kDouble)), 1e-4);
  }
}

// Central differences in float64, where the composition is used.
TEST(RmsNorm, GradientAgreesWithDifferences) {
  at::manual_seed(3);
  at::Tensor x = at::randn({2, 5}, at::kDouble).requires_grad_(true),
             weight = at::randn({5}, at::kDouble);
  const at::Tensor direction = at::randn({2, 5}, at::kDouble),
                   grad_y = at::randn({2, 5}, at::kDouble);
  const auto gradient = torch::autograd::grad({rms_norm(x, weight, kEps)}, {x}, {grad_y})[0];
  const double step = 1e-6;
  const at::Tensor plain = x.detach();
  const at::Tensor difference = rms_norm(plain + direction * step, weight, kEps) -
                                rms_norm(plain - direction * step, weight, kEps);
  EXPECT_NEAR((gradient * direction).sum().item<double>(),
              (difference * grad_y).sum().item<double>() / (2 * step), 1e-6);
}

TEST(RmsNorm, FrozenWeightGetsNoGradient) {
  at::Tensor x = at::randn({4, 8}).requires_grad_(true);
  const at::Tensor weight = at::randn({8});
  rms_norm(x, weight, kEps).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST(RmsNorm, OnlyTheWeightMayTrain) {
  const at::Tensor x = at::randn({4, 8});
  at::Tensor weight = at::randn({8}).requires_grad_(true);
  rms_norm(x, weight, kEps).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
}

TEST(RmsNorm, BFloat16CastsBackBeforeTheWeight) {
  at::manual_seed(4);
  const at::Tensor x = at::randn({6, 40}).to(at::kBFloat16),
                   weight = at::randn({40}).to(at::kBFloat16);
  const at::Tensor y = rms_norm(x, weight, kEps);
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor normed =
      (wide * at::rsqrt(wide.square().mean(-1, true) + kEps)).to(at::kBFloat16);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(y, normed * weight));
}

TEST(RmsNorm, ReadsRowsThatAreNotContiguous) {
  const at::Tensor x = at::randn({8, 12}).t(), weight = at::randn({8});
  EXPECT_TRUE(at::equal(rms_norm(x, weight, kEps), rms_norm(x.contiguous(), weight, kEps)));
}

TEST(RmsNorm, TakesNoRowsAtAll) {
  EXPECT_EQ(rms_norm(at::empty({0, 8}), at::ones({8}), kEps).sizes(), at::IntArrayRef({0, 8}));
}

TEST(RmsNorm, SameBitsForAnyThreadCount) {
  at::manual_seed(5);
  const int threads = at::get_num_threads();
  at::Tensor x = at::randn({1000, 128}).requires_grad_(true),
             weight = at::randn({128}).requires_grad_(true);
  const at::Tensor grad_y = at::randn({1000, 128});
  std::vector<std::vector<at::Tensor>> results;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    const at::Tensor y = rms_norm(x, weight, kEps);
    auto gradients = torch::autograd::grad({y}, {x, weight}, {grad_y});
    results.push_back({y.detach(), gradients[0], gradients[1]});
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < results[0].size(); ++i)
    EXPECT_TRUE(at::equal(results[0][i], results[1][i])) << i;
}

TEST(RmsNorm, InferenceModeGivesTheSameValues) {
  const at::Tensor x = at::randn({4, 8}), weight = at::randn({8}).requires_grad_(true);
  const at::Tensor recorded = rms_norm(x, weight, kEps).detach();
  const c10::InferenceMode no_gradients;
  EXPECT_TRUE(at::equal(rms_norm(x, weight, kEps), recorded));
}

TEST(RmsNorm, MixedTypesAreOurBug) {
  EXPECT_THROW(rms_norm(at::ones({2, 4}), at::ones({4}, at::kDouble), kEps), InternalError);
  EXPECT_THROW(rms_norm(at::ones({2, 4}), at::ones({5}), kEps), InternalError);
}

struct Tolerance {
  at::ScalarType dtype;
  double relative;
};
constexpr Tolerance kTolerances[] = {
    {at::kFloat, 3e-6}, {at::kBFloat16, 8e-3}, {at::kDouble, 1e-12}};
constexpr NormForm kForms[] = {NormForm::kLlama, NormForm::kGemma};

// y in float64, whatever the dtype.
at::Tensor exact(const at::Tensor& x, const at::Tensor& weight, NormForm form) {
  const at::Tensor w = form == NormForm::kGemma ? weight + 1.0 : weight;
  return x * at::rsqrt(x.square().mean(-1, true) + kEps) * w;
}

at::Tensor wide_copy(const at::Tensor& x) {
  return x.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double relative) {
  const double size = expected.abs().max().item<double>();
  EXPECT_LE(worst(actual, expected), relative * size);
}

TEST(RmsNormParts, ForwardAndBackwardOfBothFormsMatchFloat64) {
  at::manual_seed(6);
  for (const auto& [dtype, relative] : kTolerances)
    for (const NormForm form : kForms)
      for (const int64_t width : {1, 7, 40, 513}) {
        const at::Tensor x = (at::randn({5, width}, at::kDouble) * 2).to(dtype),
                         weight = at::randn({width}, at::kDouble).to(dtype),
                         grad_y = at::randn({5, width}, at::kDouble).to(dtype),
                         before = at::randn({5, width}, at::kDouble).to(dtype);
        at::Tensor wide_x = wide_copy(x).requires_grad_(true);
        const at::Tensor y = exact(wide_x, wide_copy(weight), form);
        const at::Tensor gradient = torch::autograd::grad({y}, {wide_x}, {wide_copy(grad_y)})[0];

        const Normed normed = rms_norm_forward(x, weight, kEps, form);
        expect_close(normed.y, y.detach(), relative);
        const at::Tensor alone = rms_norm_backward(grad_y, x, weight, normed.scale, form);
        const at::Tensor added =
            rms_norm_backward_on(before, grad_y, x, weight, normed.scale, form);
        const at::Tensor largest = gradient.abs().max() + before.abs().max().to(at::kDouble);
        EXPECT_LE(worst(alone, gradient), relative * largest.item<double>());
        EXPECT_LE(worst(added, gradient + wide_copy(before)), relative * largest.item<double>());
      }
}

TEST(RmsNormParts, TheSumComesBackBesideItsNorm) {
  at::manual_seed(7);
  for (const auto& [dtype, relative] : kTolerances)
    for (const NormForm form : kForms) {
      at::Tensor x = at::randn({3, 65}, at::kDouble).to(dtype);
      const at::Tensor addend = at::randn({3, 65}, at::kDouble).to(dtype),
                       weight = at::randn({65}, at::kDouble).to(dtype);
      const at::Tensor sum = x + addend;
      const Normed normed = add_rms_norm(x, addend, weight, kEps, form);
      EXPECT_TRUE(at::equal(x, sum));
      const Normed apart = rms_norm_forward(sum, weight, kEps, form);
      expect_close(normed.y, wide_copy(apart.y), relative);
      expect_close(normed.scale, wide_copy(apart.scale), relative);
    }
}

TEST(RmsNormParts, AutogradOfGemmasFormMatchesFloat64) {
  at::manual_seed(8);
  for (const auto& [dtype, relative] : kTolerances) {
    at::Tensor x = at::randn({70, 24}, at::kDouble).to(dtype).requires_grad_(true),
               weight = at::randn({24}, at::kDouble).to(dtype).requires_grad_(true);
    at::Tensor wide_x = wide_copy(x.detach()).requires_grad_(true),
               wide_weight = wide_copy(weight.detach()).requires_grad_(true);
    const at::Tensor grad_y = at::randn({70, 24}, at::kDouble).to(dtype);
    const auto actual =
        torch::autograd::grad({rms_norm(x, weight, kEps, NormForm::kGemma)}, {x, weight}, {grad_y});
    const auto expected = torch::autograd::grad({exact(wide_x, wide_weight, NormForm::kGemma)},
                                                {wide_x, wide_weight}, {wide_copy(grad_y)});
    expect_close(actual[0], expected[0], relative);
    expect_close(actual[1], expected[1], relative);
  }
}

TEST(RmsNormParts, RowsOfAnotherShapeAreOurBug) {
  at::Tensor x = at::ones({2, 4});
  EXPECT_THROW(add_rms_norm(x, at::ones({3, 4}), at::ones({4}), kEps), InternalError);
  EXPECT_THROW(rms_norm_forward(at::ones({4, 2}).t(), at::ones({4}), kEps), InternalError);
}

}  // namespace
}  // namespace slmtune::kernels
