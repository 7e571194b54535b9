#include "kernels/gated_activation/gated_activation.h"

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
  double relative;
};
// bfloat16: one rounding of the result, half of 2^-8.
constexpr Tolerance kTolerances[] = {
    {at::kFloat, 2e-6}, {at::kBFloat16, 4e-3}, {at::kDouble, 1e-12}};
constexpr Activation kActivations[] = {Activation::kSilu, Activation::kGeluTanh};

at::Tensor reference(const at::Tensor& gate, const at::Tensor& up, Activation activation) {
  return (activation == Activation::kSilu ? at::silu(gate) : at::gelu(gate, "tanh")) * up;
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double relative) {
  const at::Tensor difference = (actual.to(at::kDouble) - expected).abs();
  EXPECT_LE((difference - relative * expected.abs()).max().item<double>(), relative);
}

at::Tensor numbers(at::IntArrayRef shape, at::ScalarType dtype) {
  return (at::randn(shape, at::kDouble) * 3).to(dtype);
}

TEST(GatedActivation, MatchesFloat64ForOddWidths) {
  at::manual_seed(1);
  for (const auto& [dtype, relative] : kTolerances)
    for (const Activation activation : kActivations)
      for (const int64_t width : {1, 7, 16, 33, 1000}) {
        const at::Tensor gate = numbers({5, width}, dtype), up = numbers({5, width}, dtype);
        const at::Tensor h = gated_activation(gate, up, activation);
        EXPECT_EQ(h.scalar_type(), dtype);
        expect_close(h, reference(gate.to(at::kDouble), up.to(at::kDouble), activation), relative);
      }
}

TEST(GatedActivation, BackwardGivesHiddenAndBothGradientsInPlace) {
  at::manual_seed(2);
  for (const auto& [dtype, relative] : kTolerances)
    for (const Activation activation : kActivations)
      for (const int64_t width : {1, 9, 64, 777}) {
        at::Tensor gate = numbers({4, width}, dtype), up = numbers({4, width}, dtype);
        at::Tensor hidden = numbers({4, width}, dtype);
        at::Tensor g = gate.to(at::kDouble, false, true).requires_grad_(true);
        at::Tensor u = up.to(at::kDouble, false, true).requires_grad_(true);
        const at::Tensor h = reference(g, u, activation);
        const auto expected =
            torch::autograd::grad({h}, {g, u}, {hidden.to(at::kDouble, false, true)});
        const void* const buffers[] = {hidden.data_ptr(), gate.data_ptr(), up.data_ptr()};
        gated_activation_backward(hidden, gate, up, activation);
        expect_close(hidden, h.detach(), relative);
        expect_close(gate, expected[0], 2 * relative);
        expect_close(up, expected[1], relative);
        EXPECT_EQ(hidden.data_ptr(), buffers[0]);
        EXPECT_EQ(gate.data_ptr(), buffers[1]);
        EXPECT_EQ(up.data_ptr(), buffers[2]);
      }
}

TEST(GatedActivation, TakesHalvesOfOneMatrix) {
  at::manual_seed(3);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    at::Tensor both = numbers({6, 38}, dtype), hidden = numbers({6, 19}, dtype);
    at::Tensor gate = both.narrow(1, 0, 19), up = both.narrow(1, 19, 19);
    at::Tensor plain_gate = gate.clone(), plain_up = up.clone(), plain_hidden = hidden.clone();
    EXPECT_TRUE(at::equal(gated_activation(gate, up, Activation::kSilu),
                          gated_activation(plain_gate, plain_up, Activation::kSilu)));
    gated_activation_backward(hidden, gate, up, Activation::kSilu);
    gated_activation_backward(plain_hidden, plain_gate, plain_up, Activation::kSilu);
    EXPECT_TRUE(at::equal(both, at::cat({plain_gate, plain_up}, 1)));
    EXPECT_TRUE(at::equal(hidden, plain_hidden));
  }
}

TEST(GatedActivation, MayWriteOverTheGate) {
  at::Tensor gate = at::randn({3, 21});
  const at::Tensor up = at::randn({3, 21});
  const at::Tensor expected = gated_activation(gate, up, Activation::kGeluTanh);
  gated_activation_into(gate, gate, up, Activation::kGeluTanh);
  EXPECT_TRUE(at::equal(gate, expected));
}

TEST(GatedActivation, SameBitsForAnyThreadCount) {
  at::manual_seed(4);
  const int threads = at::get_num_threads();
  const at::Tensor gate = at::randn({301, 200}), up = at::randn({301, 200});
  std::vector<at::Tensor> results;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    results.push_back(gated_activation(gate, up, Activation::kSilu));
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

TEST(GatedActivation, LargeGatesSaturateAndNaNStays) {
  const at::Tensor gate = at::tensor({100.0f, -100.0f, 1e9f, -1e9f, 0.0f}).unsqueeze(0);
  for (const Activation activation : kActivations) {
    const at::Tensor h = gated_activation(gate, at::ones_like(gate), activation);
    EXPECT_TRUE(at::equal(h, at::tensor({100.0f, -0.0f, 1e9f, -0.0f, 0.0f}).unsqueeze(0)));
    at::Tensor poisoned = at::ones({1, 40});
    poisoned[0][37] = std::numeric_limits<float>::quiet_NaN();
    at::Tensor up = at::ones({1, 40}), hidden = at::ones({1, 40});
    gated_activation_backward(hidden, poisoned, up, activation);
    for (const at::Tensor& x : {hidden, poisoned, up}) {
      EXPECT_TRUE(x[0][37].isnan().item<bool>());
      EXPECT_EQ(x.isnan().sum().item<int64_t>(), 1);
    }
  }
}

TEST(GatedActivation, TakesNoRowsAtAll) {
  at::Tensor none = at::empty({0, 8}), up = at::empty({0, 8}), hidden = at::empty({0, 8});
  EXPECT_EQ(gated_activation(none, up, Activation::kSilu).size(0), 0);
  gated_activation_backward(hidden, none, up, Activation::kSilu);
}

TEST(GatedActivation, UnequalShapesAreOurBug) {
  EXPECT_THROW(gated_activation(at::ones({2, 4}), at::ones({2, 5}), Activation::kSilu),
               InternalError);
  EXPECT_THROW(gated_activation(at::ones({4, 2}).t(), at::ones({4, 2}).t(), Activation::kSilu),
               InternalError);
}

}  // namespace
}  // namespace slmtune::kernels
