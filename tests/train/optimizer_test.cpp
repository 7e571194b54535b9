#include "train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "kernels/adamw/moment_codes.h"
#include "tests/support/raises.h"
#include "train/adamw8bit.h"

namespace slmtune::train {
namespace {

using slmtune::testing::raises;

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

// A tensor of 5 values begins within a block of 16 that no other tensor uses.
NamedParameters three_tensors(at::ScalarType type) {
  at::manual_seed(2);
  NamedParameters parameters;
  for (const auto& [name, shape] : std::vector<std::pair<std::string, std::vector<int64_t>>>{
           {"q.lora_A.weight", {3, 40}}, {"q.lora_B.weight", {5}}, {"norm", {7, 11}}})
    parameters.emplace_back(name, at::randn(shape, type).requires_grad_(true));
  return parameters;
}

void set_gradients(const NamedParameters& parameters, uint64_t seed) {
  at::manual_seed(seed);
  for (const auto& [name, tensor] : parameters)
    tensor.mutable_grad() = at::randn_like(tensor.detach());
}

TEST(AdamW, OfFloat32EqualsThatOfDoublePrecision) {
  const NamedParameters wide = three_tensors(at::kDouble);
  NamedParameters narrow;
  for (const auto& [name, tensor] : wide)
    narrow.emplace_back(name, tensor.detach().to(at::kFloat).requires_grad_(true));
  AdamW expected(wide, config_with_decay()), found(narrow, config_with_decay());
  for (uint64_t step = 1; step <= 10; ++step) {
    set_gradients(wide, step);
    for (size_t i = 0; i < wide.size(); ++i)
      narrow[i].second.mutable_grad() = wide[i].second.grad().to(at::kFloat);
    const double norm = expected.step(0.01, 0.5, 1.0);
    EXPECT_NEAR(found.step(0.01, 0.5, 1.0), norm, 1e-6 * norm);
    expected.zero_grad();
    found.zero_grad();
  }
  for (size_t i = 0; i < wide.size(); ++i)
    EXPECT_TRUE(at::allclose(narrow[i].second.to(at::kDouble), wide[i].second, 1e-5, 1e-6)) << i;
}

TEST(AdamW, MovesTensorsIntoOneBufferThatBackwardAddsTo) {
  const NamedParameters parameters = three_tensors(at::kFloat);
  std::vector<at::Tensor> before;
  for (const auto& [name, tensor] : parameters) before.push_back(tensor.detach().clone());
  AdamW optimizer(parameters, TrainConfig{});
  const void* memory = parameters[0].second.storage().data();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& tensor = parameters[i].second;
    EXPECT_TRUE(at::equal(tensor, before[i]));
    EXPECT_EQ(tensor.storage().data(), memory);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 64, 0u);
  }
  const auto backward = [&] { (parameters[0].second * 3.0).sum().backward(); };
  backward();
  const at::Tensor gradient = parameters[0].second.grad();
  backward();
  EXPECT_TRUE(parameters[0].second.grad().is_same(gradient));
  EXPECT_TRUE((gradient == 6.0).all().item<bool>());
  EXPECT_DOUBLE_EQ(optimizer.step(0.1, 1.0, 0.0), 6.0 * std::sqrt(120.0));
  EXPECT_TRUE(at::equal(parameters[2].second, before[2]));
  optimizer.zero_grad();
  EXPECT_TRUE((gradient == 0.0).all().item<bool>());
}

// torch counts the steps of a tensor that had a gradient, and so corrects each tensor's moments by
// its own count.
TEST(AdamW, CountsTheStepsOfEachTensorByItself) {
  const NamedParameters parameters = three_tensors(at::kFloat);
  at::Tensor alone = parameters[1].second.detach().clone().requires_grad_(true);
  AdamW all(parameters, config_with_decay()), one({{"alone", alone}}, config_with_decay());
  for (uint64_t step = 1; step <= 4; ++step) {
    set_gradients(parameters, step);
    if (step == 2 || step == 3) {
      parameters[1].second.mutable_grad() = at::Tensor();
      parameters[2].second.mutable_grad() = at::Tensor();
    } else {
      alone.mutable_grad() = parameters[1].second.grad().clone();
      one.step(0.01, 1.0, 0.0);
    }
    all.step(0.01, 1.0, 0.0);
    all.zero_grad();
    one.zero_grad();
  }
  EXPECT_TRUE(at::equal(parameters[1].second, alone));
  EXPECT_TRUE(at::equal(all.state().at("step"), at::tensor({4.0f, 2.0f, 2.0f})));
}

TEST(AdamW, LeavesTheModelItsValuesAndNoGradients) {
  const NamedParameters parameters = three_tensors(at::kFloat);
  const at::Tensor before = parameters[0].second.detach().clone();
  {
    AdamW optimizer(parameters, TrainConfig{});
    EXPECT_TRUE(parameters[0].second.grad().defined());
  }
  EXPECT_TRUE(at::equal(parameters[0].second, before));
  EXPECT_FALSE(parameters[0].second.grad().defined());
}

// LoRA+: B and magnitudes learn faster; peft's groups are compared in tests/optimizer_parity.
TEST(LoraPlus, MultipliesTheLearningRateOfBAlone) {
  TrainConfig config = config_with_decay();
  const NamedParameters slow = three_tensors(at::kFloat), fast = three_tensors(at::kFloat),
                        plus = three_tensors(at::kFloat);
  AdamW one(slow, config), four(fast, config);
  config.plus_ratio = 4.0;
  AdamW mixed(plus, config);
  for (const NamedParameters* parameters : {&slow, &fast, &plus}) set_gradients(*parameters, 5);
  one.step(0.01, 1.0, 0.0);
  four.step(0.04, 1.0, 0.0);
  mixed.step(0.01, 1.0, 0.0);
  EXPECT_TRUE(at::equal(plus[0].second, slow[0].second));
  EXPECT_TRUE(at::equal(plus[1].second, fast[1].second));
  EXPECT_TRUE(at::equal(plus[2].second, slow[2].second));
  EXPECT_FALSE(at::equal(plus[1].second, slow[1].second));
}

// At, just below and just above every middle between two codes, and at every code.
TEST(MomentCodes, AreTheNearestOfTheMap) {
  for (const kernels::CodeTable* table : {&kernels::signed_codes(), &kernels::unsigned_codes()}) {
    std::vector<float> values = {0.0f, -0.0f, 1e-30f, -1e-30f, 1.0f, 1.0000001f, -1.0f};
    for (size_t i = 0; i < table->map.size(); ++i) {
      const float middle = std::min(table->middles[i], 1.0f);
      for (const float value : {table->map[i], middle, std::nextafter(middle, 2.0f),
                                std::nextafter(middle, -2.0f), middle * 1.003f, middle * 0.997f})
        values.push_back(value);
    }
    std::vector<int32_t> codes(values.size());
    kernels::nearest_codes(*table, values.data(), /*inverse=*/1.0f,
                           static_cast<int64_t>(values.size()), codes.data());
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(codes[i], kernels::nearest_code(table->map, values[i])) << values[i];
  }
}

NamedParameters large_and_small(at::ScalarType type = at::kFloat) {
  at::manual_seed(3);
  return {{"large", at::randn({70, 100}, type).requires_grad_(true)},
          {"small", at::randn({4095}, type).requires_grad_(true)}};
}

TEST(AdamW8bit, TakesTwoBytesAndAScaleEvery256ValuesOfLargeTensors) {
  const NamedParameters parameters = large_and_small();
  AdamW8bit optimizer(parameters, TrainConfig{});
  const OptimizerState state = optimizer.state();
  EXPECT_EQ(state.at("large.exp_avg").scalar_type(), at::kByte);
  EXPECT_EQ(state.at("large.exp_avg").sizes(), parameters[0].second.sizes());
  EXPECT_EQ(state.at("large.exp_avg.absmax").sizes(), at::IntArrayRef{28});  // ceil(7000 / 256)
  EXPECT_EQ(state.at("small.exp_avg").scalar_type(), at::kFloat);
  EXPECT_FALSE(state.contains("small.exp_avg.absmax"));
  size_t bytes = 0;
  for (const auto& [name, tensor] : state)
    if (name.starts_with("large")) bytes += tensor.nbytes();
  EXPECT_LE(static_cast<double>(bytes), 2.1 * 7000);
}

TEST(AdamW8bit, StaysNearAdamW) {
  const NamedParameters eight = large_and_small(), full = large_and_small();
  AdamW8bit found(eight, config_with_decay());
  AdamW expected(full, config_with_decay());
  for (uint64_t step = 1; step <= 20; ++step) {
    for (const NamedParameters* parameters : {&eight, &full}) set_gradients(*parameters, step);
    found.step(1e-3, 1.0, 0.0);
    expected.step(1e-3, 1.0, 0.0);
  }
  EXPECT_TRUE(at::equal(eight[1].second, full[1].second));  // float32 moments
  const at::Tensor apart = (eight[0].second - full[0].second).abs();
  EXPECT_LT(apart.max().item<double>(), 4e-3);  // a fifth of the way of 20 steps
  EXPECT_LT(apart.mean().item<double>(), 1e-3);
  EXPECT_GT(apart.max().item<double>(), 0.0);
}

TEST(AdamW8bit, ContinuesFromItsStateBitForBit) {
  const NamedParameters whole = large_and_small(), half = large_and_small();
  AdamW8bit one(whole, config_with_decay());
  auto two = std::make_unique<AdamW8bit>(half, config_with_decay());
  for (uint64_t step = 1; step <= 6; ++step) {
    for (const NamedParameters* parameters : {&whole, &half}) set_gradients(*parameters, step);
    one.step(1e-3, 1.0, 1.0);
    two->step(1e-3, 1.0, 1.0);
    if (step != 3) continue;
    OptimizerState kept;
    for (const auto& [name, tensor] : two->state()) kept[name] = tensor.clone();
    two = std::make_unique<AdamW8bit>(half, config_with_decay());
    two->load_state(kept);
  }
  for (size_t i = 0; i < whole.size(); ++i)
    EXPECT_TRUE(at::equal(whole[i].second, half[i].second)) << i;
  const OptimizerState left = one.state(), right = two->state();
  for (const auto& [name, tensor] : left) EXPECT_TRUE(at::equal(tensor, right.at(name))) << name;
}

TEST(AdamW8bit, LeavesEverythingAloneWhenTheNormIsNotFinite) {
  const NamedParameters parameters = large_and_small();
  AdamW8bit optimizer(parameters, TrainConfig{});
  set_gradients(parameters, 1);
  parameters[0].second.mutable_grad()[3][4] = std::nan("");
  const at::Tensor before = parameters[0].second.detach().clone();
  EXPECT_FALSE(std::isfinite(optimizer.step(0.1, 1.0, 1.0)));
  EXPECT_TRUE(at::equal(parameters[0].second, before));
  EXPECT_FALSE(optimizer.state().at("large.exp_avg").any().item<bool>());
}

TEST(AdamW8bit, TrainsOtherTypesThroughFloat32) {
  for (at::ScalarType type : {at::kBFloat16, at::kDouble}) {
    const NamedParameters parameters = large_and_small(type), wide = large_and_small(type);
    for (const auto& [name, tensor] : wide) tensor.set_data(tensor.detach().to(at::kFloat));
    AdamW8bit found(parameters, TrainConfig{}), expected(wide, TrainConfig{});
    set_gradients(parameters, 1);
    for (size_t i = 0; i < wide.size(); ++i)
      wide[i].second.mutable_grad() = parameters[i].second.grad().to(at::kFloat);
    found.step(0.1, 1.0, 0.0);
    expected.step(0.1, 1.0, 0.0);
    EXPECT_TRUE(at::equal(found.state().at("large.exp_avg"), expected.state().at("large.exp_avg")));
    EXPECT_TRUE(at::equal(parameters[0].second, wide[0].second.to(type))) << type;
  }
}

TEST(AdamW8bit, RefusesTheStateOfAdamW) {
  AdamW adamw(large_and_small(), TrainConfig{});
  AdamW8bit eight(large_and_small(), TrainConfig{});
  EXPECT_TRUE(raises("F080", {"'large.exp_avg"}, [&] { eight.load_state(adamw.state()); }));
  EXPECT_TRUE(raises("F080", {"'large.exp_avg'"}, [&] { adamw.load_state(eight.state()); }));
}

TEST(MakeOptimizer, FollowsTheRecipe) {
  TrainConfig config;
  EXPECT_TRUE(dynamic_cast<AdamW*>(make_optimizer(large_and_small(), config).get()));
  config.optimizer = "adamw8bit";
  EXPECT_TRUE(dynamic_cast<AdamW8bit*>(make_optimizer(large_and_small(), config).get()));
}

}  // namespace
}  // namespace slmtune::train
