// The law of frozen_weight.h for every registered format, and what is particular to dense weights.
#include "kernels/quant/dense/dense_weight.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.h"

namespace slmtune::kernels {
namespace {

TEST(FrozenWeight, EveryFormatMultipliesByItsDenseForm) {
  at::manual_seed(1);
  for (const QuantRow& row : quant_formats()) {
    const auto weight = row.make(at::randn({24, 16}));
    at::Tensor x = at::randn({2, 5, 16}).requires_grad_(true);
    const at::Tensor y = weight->matmul(x), dense = weight->dense(at::kFloat);
    EXPECT_EQ(y.sizes(), at::IntArrayRef({2, 5, 24})) << row.name;
    EXPECT_TRUE(at::allclose(y, at::matmul(x, dense.t()), 1e-5, 1e-5)) << row.name;
    const at::Tensor grad_y = at::randn_like(y);
    const at::Tensor gradient = torch::autograd::grad({y}, {x}, {grad_y})[0];
    EXPECT_TRUE(at::allclose(gradient, at::matmul(grad_y, dense), 1e-5, 1e-5)) << row.name;
    EXPECT_EQ(weight->in_features(), 16);
    EXPECT_EQ(weight->out_features(), 24);
    EXPECT_GT(weight->bytes(), 0u);
    EXPECT_FALSE(weight->state().empty());
  }
}

TEST(DenseWeight, KeepsTheTensorItselfWithoutACopy) {
  const at::Tensor tensor = at::randn({3, 2});
  DenseWeight weight(tensor);
  EXPECT_TRUE(weight.dense(at::kFloat).is_same(tensor));
  EXPECT_TRUE(weight.state().at("weight").is_same(tensor));
  EXPECT_TRUE(weight.trainable()->is_same(tensor));
  EXPECT_EQ(weight.bytes(), 24u);
}

TEST(DenseWeight, KeepsItsHandleWhenItMoves) {
  at::Tensor tensor = at::randn({3, 2}).requires_grad_(true);
  const at::Tensor before = tensor.detach().clone();
  DenseWeight weight(tensor);
  weight.to(at::kCPU);
  EXPECT_TRUE(weight.trainable()->is_same(tensor));
  EXPECT_TRUE(tensor.requires_grad() && tensor.is_leaf());
  EXPECT_TRUE(at::equal(tensor, before));
}

TEST(DenseWeight, StateRoundTripsBitExactly) {
  const DenseWeight weight(at::randn({3, 2}).to(at::kBFloat16));
  const auto again = quant_format("none")(weight.state().at("weight"));
  EXPECT_TRUE(at::equal(again->state().at("weight"), weight.state().at("weight")));
}

TEST(DenseWeight, TrainsWhenItRequiresGrad) {
  at::Tensor tensor = at::randn({3, 2}).requires_grad_(true);
  const DenseWeight weight(tensor);
  weight.matmul(at::ones({4, 2})).sum().backward();
  EXPECT_TRUE(at::equal(tensor.grad(), at::full({3, 2}, 4.0)));
}

TEST(DenseWeight, AnswersInTheTypeOfItsInput) {
  const DenseWeight weight(at::ones({3, 2}).to(at::kBFloat16));
  EXPECT_EQ(weight.matmul(at::ones({1, 2})).scalar_type(), at::kFloat);
}

TEST(QuantFormat, UnknownNameListsTheKnownOnes) {
  try {
    quant_format("nf5");
    FAIL() << "an unknown format was taken";
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "R050");
    EXPECT_EQ(error.exit_code(), ExitCode::kRecipe);
    EXPECT_NE(error.diagnostics()[0].help.find("'none'"), std::string::npos);
  }
}

}  // namespace
}  // namespace slmtune::kernels
