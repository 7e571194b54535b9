#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace slmtune::train {
namespace {

TrainConfig config_with_decay() {
  TrainConfig config;
  config.weight_decay = 0.1;
  config.beta2 = 0.95;
  return config;
}

at::Tensor parameter(std::vector<double> values) {
  return at::tensor(values, at::kDouble).requires_grad_(true);
}

// Algorithm 2 of Loshchilov & Hutter 2019 on one number.
struct ReferenceAdamW {
  double value, first = 0.0, second = 0.0;
  int step = 0;
  void update(double gradient, double rate, const TrainConfig& c) {
    ++step;
    value -= rate * c.weight_decay * value;
    first = c.beta1 * first + (1 - c.beta1) * gradient;
    second = c.beta2 * second + (1 - c.beta2) * gradient * gradient;
    double first_hat = first / (1 - std::pow(c.beta1, step));
    double second_hat = second / (1 - std::pow(c.beta2, step));
    value -= rate * first_hat / (std::sqrt(second_hat) + c.epsilon);
  }
};

TEST(AdamW, EqualsTheReferenceInDoublePrecision) {
  TrainConfig config = config_with_decay();
  at::Tensor a = parameter({0.5, -1.5});
  AdamW optimizer({{"a", a}}, config);
  ReferenceAdamW first{0.5}, second{-1.5};
  for (int step = 0; step < 20; ++step) {
    double g0 = std::sin(step), g1 = 0.1 * step - 0.7, rate = 0.01 / (1 + step);
    a.mutable_grad() = at::tensor({2.0 * g0, 2.0 * g1}, at::kDouble);
    optimizer.step(rate, 0.5, 0.0);
    first.update(g0, rate, config);
    second.update(g1, rate, config);
    EXPECT_NEAR(a[0].item<double>(), first.value, 1e-13);
    EXPECT_NEAR(a[1].item<double>(), second.value, 1e-13);
  }
}

TEST(AdamW, ClipsTheNormOverAllTensors) {
  TrainConfig config;
  at::Tensor a = parameter({0.0}), b = parameter({0.0});
  AdamW optimizer({{"a", a}, {"b", b}}, config);
  a.mutable_grad() = at::tensor({3.0}, at::kDouble);
  b.mutable_grad() = at::tensor({4.0}, at::kDouble);
  EXPECT_DOUBLE_EQ(optimizer.step(0.1, 1.0, 1.0), 5.0);
  // After clipping the gradient is (0.6, 0.8); the first moment holds a tenth of it.
  EXPECT_NEAR(optimizer.state().at("a.exp_avg").item<double>(), 0.06, 1e-7);
  EXPECT_NEAR(optimizer.state().at("b.exp_avg").item<double>(), 0.08, 1e-7);
}

TEST(AdamW, LeavesEverythingAloneWhenTheNormIsNotFinite) {
  at::Tensor a = parameter({1.0});
  AdamW optimizer({{"a", a}}, TrainConfig{});
  for (double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    a.mutable_grad() = at::tensor({bad}, at::kDouble);
    EXPECT_FALSE(std::isfinite(optimizer.step(0.1, 1.0, 1.0)));
  }
  EXPECT_EQ(a.item<double>(), 1.0);
  EXPECT_EQ(optimizer.state().at("step")[0].item<float>(), 0.0f);
  EXPECT_EQ(optimizer.state().at("a.exp_avg").item<double>(), 0.0);
}

TEST(AdamW, SkipsATensorWithoutGradient) {
  at::Tensor a = parameter({1.0}), b = parameter({1.0});
  AdamW optimizer({{"a", a}, {"b", b}}, config_with_decay());
  a.mutable_grad() = at::tensor({1.0}, at::kDouble);
  optimizer.step(0.1, 1.0, 0.0);
  EXPECT_NE(a.item<double>(), 1.0);
  EXPECT_EQ(b.item<double>(), 1.0);
}

TEST(AdamW, ContinuesFromItsState) {
  at::Tensor a = parameter({1.0, 2.0}), b = parameter({1.0, 2.0});
  AdamW whole({{"a", a}}, config_with_decay());
  auto step = [](AdamW& optimizer, at::Tensor& tensor, double gradient) {
    tensor.mutable_grad() = at::tensor({gradient, -gradient}, at::kDouble);
    optimizer.step(0.1, 1.0, 1.0);
  };
  step(whole, a, 0.3);
  AdamW resumed({{"a", b}}, config_with_decay());
  resumed.load_state(whole.state());
  b.detach().copy_(a.detach());
  step(whole, a, 0.7);
  step(resumed, b, 0.7);
  EXPECT_TRUE(at::equal(a, b));
}

TEST(AdamW, NamesATensorThatTheStateLacks) {
  at::Tensor a = parameter({1.0});
  AdamW optimizer({{"a", a}}, TrainConfig{});
  auto state = optimizer.state();
  state.erase("a.exp_avg");
  try {
    optimizer.load_state(state);
    FAIL();
  } catch (const FileFormatError& error) {
    EXPECT_EQ(error.code(), "F080");
    EXPECT_NE(std::string(error.what()).find("'a.exp_avg'"), std::string::npos);
  }
  state["a.exp_avg"] = at::zeros({2}, at::kDouble);
  EXPECT_THROW(optimizer.load_state(state), FileFormatError);
}

}  // namespace
}  // namespace slmtune::train
