// Laws of models/blocks/mixer.h's LayerForm over every family and storage format: how the layers go
// about their work changes no result, but for the rounding of sums in tiles and of 8-bit products.
#include <gtest/gtest.h>

#include <tuple>

#include "kernels/matmul/product.h"
#include "kernels/quant/frozen_weight.h"
#include "lora/attach.h"
#include "models/families/family.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr int64_t kTokens = 20;

struct Passes {
  at::Tensor hidden;
  std::map<std::string, at::Tensor> gradients;
};

Passes passes(models::CausalLM& model) {
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.mutable_grad().reset();
  at::manual_seed(3);  // dropout
  const at::Tensor hidden = model.hidden(some_ids(kTokens), packed_layout({12, 1, 7}));
  at::manual_seed(11);
  hidden.backward(at::randn(hidden.sizes()).to(hidden.scalar_type()));
  Passes made{hidden.detach(), {}};
  for (auto& [name, tensor] : models::trainable_tensors(model))
    if (tensor.grad().defined()) made.gradients[name] = tensor.grad().clone();
  return made;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor wide = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

at::Tensor joined(const Passes& made) {
  std::vector<at::Tensor> all;
  for (const auto& [name, gradient] : made.gradients) all.push_back(gradient.flatten());
  return at::cat(all);
}

void expect_same_bits(const Passes& found, const Passes& expected) {
  EXPECT_TRUE(at::equal(found.hidden, expected.hidden));
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients)
    EXPECT_TRUE(at::equal(found.gradients.at(name), gradient)) << name;
}

void expect_close(const Passes& found, const Passes& expected, double tolerance) {
  EXPECT_LT(relative_error(found.hidden, expected.hidden), tolerance);
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients)
    EXPECT_LT(relative_error(found.gradients.at(name), gradient), tolerance) << name;
}

std::unique_ptr<models::CausalLM> adapted(const std::string& architecture,
                                          const std::string& format, const LoraConfig& config) {
  const auto shape = models::ModelConfig::from_json(tiny_config(architecture), "config.json");
  auto model = models::init_model(shape, 7, {.quant = format});
  attach(*model, config, 1);
  const at::NoGradGuard no_gradients;
  at::manual_seed(5);
  for (auto& [name, tensor] : models::trainable_tensors(*model)) tensor.normal_(0.0, 0.2);
  return model;
}

using Combination = std::tuple<std::string, std::string>;

std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const models::Family& family : models::families())
    for (const kernels::QuantRow& format : kernels::quant_formats())
      all.emplace_back(family.architecture, format.name);
  return all;
}

class LayerForms : public ::testing::TestWithParam<Combination> {
 protected:
  std::unique_ptr<models::CausalLM> model(const LoraConfig& config = {.rank = 3, .alpha = 5.0}) {
    return adapted(std::get<0>(GetParam()), std::get<1>(GetParam()), config);
  }
};
INSTANTIATE_TEST_SUITE_P(Every, LayerForms, ::testing::ValuesIn(combinations()),
                         [](const auto& instance) {
                           return std::get<0>(instance.param) + "_" + std::get<1>(instance.param);
                         });

TEST_P(LayerForms, InputsThatWaitElsewhereChangeNoBit) {
  auto trained = model();
  const Passes kept = passes(*trained);
  trained->offload_inputs = true;
  for (const int64_t layers : {1, 2}) {
    trained->recompute_whole = layers;
    expect_same_bits(passes(*trained), kept);
  }
}

TEST_P(LayerForms, InputsOfHalvesThatReplayWaitElsewhere) {
  auto trained = model({.rank = 2, .dropout = 0.3});
  set_training(*trained, true);
  const Passes kept = passes(*trained);
  trained->offload_inputs = true;
  trained->recompute_layers = 2;
  trained->recompute_whole = 1;
  expect_same_bits(passes(*trained), kept);
}

TEST_P(LayerForms, AdaptersWithinProductsGiveTheSameGradients) {
  for (const std::string& target : {std::string("all-linear"), std::string("re:.*(v|qkv)_proj")}) {
    auto trained = model({.rank = 3, .alpha = 5.0, .targets = {target}});
    const Passes added = passes(*trained);
    trained->joins_low_rank = true;
    const Passes within = passes(*trained);
    expect_close(within, added, 1e-5);
    // Only weights that are written out have room for an adapter behind them. Tiles add the same
    // numbers in the same order either way.
    const bool is_written = std::get<1>(GetParam()) != "none";
    EXPECT_EQ(at::equal(within.hidden, added.hidden),
              !is_written || kernels::multiplies_in_tiles(at::kFloat));
    trained->recompute_layers = 2;
    expect_same_bits(passes(*trained), within);
    trained->recompute_whole = 1;
    expect_same_bits(passes(*trained), within);
  }
}

TEST_P(LayerForms, TilesOfTheMlpGiveTheSameGradients) {
  auto trained = model();
  const Passes kept = passes(*trained);
  trained->recompute_whole = 2;
  for (const int64_t tile : {1, 7, 19}) {
    trained->mlp_tile = tile;
    expect_close(passes(*trained), kept, 1e-5);
  }
  trained->mlp_tile = kTokens;  // one piece
  expect_same_bits(passes(*trained), kept);
}

TEST_P(LayerForms, TilesDrawTheSameRandomNumbersTwice) {
  auto trained = model({.rank = 2, .dropout = 0.3});
  set_training(*trained, true);
  trained->recompute_whole = 2;
  trained->mlp_tile = 6;
  const Passes once = passes(*trained);
  trained->offload_inputs = true;
  expect_same_bits(passes(*trained), once);
  // The output and the gradients belong together: without dropout's masks they would not.
  trained->recompute_whole = 0;
  EXPECT_EQ(passes(*trained).gradients.size(), once.gradients.size());
}

TEST_P(LayerForms, EightBitProductsAreNearAndTrainTheSameTensors) {
  auto trained = model();
  const Passes plain = passes(*trained);
  for (const kernels::Matmul matmul : {kernels::Matmul::kInt8, kernels::Matmul::kFp8}) {
    trained->matmul = matmul;
    const Passes found = passes(*trained);
    // Rows of 16 numbers round much; half of the gradient's length is far from another gradient.
    EXPECT_LT(relative_error(found.hidden, plain.hidden), 0.2);
    EXPECT_GT(relative_error(found.hidden, plain.hidden), 1e-5);
    EXPECT_LT(relative_error(joined(found), joined(plain)), 0.5);
    trained->recompute_layers = 2;
    expect_same_bits(passes(*trained), found);
    trained->recompute_layers = 0;
  }
}

// Counts how often a weight is written out.
class CountingWeight final : public kernels::FrozenWeight {
 public:
  CountingWeight(std::unique_ptr<kernels::FrozenWeight> weight, int64_t& count)
      : weight_(std::move(weight)), count_(count) {}
  at::Tensor matmul(const at::Tensor& x) const override { return weight_->matmul(x); }
  at::Tensor dense(at::ScalarType dtype) const override {
    ++count_;
    return weight_->dense(dtype);
  }
  std::map<std::string, at::Tensor> state() const override { return weight_->state(); }
  void to(at::Device device) override { weight_->to(device); }
  int64_t in_features() const override { return weight_->in_features(); }
  int64_t out_features() const override { return weight_->out_features(); }
  uint64_t bytes() const override { return weight_->bytes(); }

 private:
  std::unique_ptr<kernels::FrozenWeight> weight_;
  int64_t& count_;
};

TEST_P(LayerForms, ALayerThatIsComputedAgainWritesItsWeightsOutOnceForBoth) {
  auto trained = model();
  int64_t count = 0, linears = 0;
  trained->for_each_linear([&](const std::string&, models::Linear& linear) {
    linear.weight = std::make_unique<CountingWeight>(std::move(linear.weight), count);
    ++linears;
  });
  trained->recompute_whole = 2;
  for (const int64_t tile : {0, 7}) {
    trained->mlp_tile = tile;
    const at::Tensor sum = trained->hidden(some_ids(kTokens), packed_layout({12, 1, 7})).sum();
    count = 0;
    sum.backward();
    EXPECT_EQ(count, linears);
  }
}

}  // namespace
}  // namespace slmtune::lora
