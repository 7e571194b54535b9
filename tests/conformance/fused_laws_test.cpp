// Laws of models/blocks/fused_half.h and replayed_half.h over every family × storage format × LoRA
// variant that is a plain low-rank product: the fused path is the generic one, and recomputing
// changes no bit. A new row of any registry is tested by being there.
#include <torch/csrc/autograd/function.h>

#include <cmath>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "kernels/quant/frozen_weight.h"
#include "lora/attach.h"
#include "lora/variants/registry.h"
#include "models/families/family.h"
#include "tests/support/raises.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;
using Combination = std::tuple<std::string, std::string, std::string>;

std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const models::Family& family : models::families())
    for (const kernels::QuantRow& format : kernels::quant_formats())
      for (const VariantRow& variant : variants())
        all.emplace_back(family.architecture, format.name, variant.name);
  return all;
}

// Longer than the windows of the tiny models; a row of one token among them.
constexpr int64_t kTokens = 20;
models::Layout rows() {
  return packed_layout({12, 1, 7});
}

void randomise(models::CausalLM& model, double deviation = 0.2, uint64_t seed = 5) {
  const at::NoGradGuard no_gradients;
  at::manual_seed(seed);
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.normal_(0.0, deviation);
  // Biases of a fresh model are 0, norms all alike.
  model.for_each_parameter([](const std::string&, at::Tensor& tensor) {
    if (tensor.dim() == 1) tensor.add_(at::randn(tensor.sizes()) * 0.2);
  });
}

// Output and gradients by name; the gradient of the embedding stands for that of the layers' input.
struct Passes {
  at::Tensor hidden;
  std::map<std::string, at::Tensor> gradients;
};

Passes passes(models::CausalLM& model) {
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.mutable_grad().reset();
  Passes made;
  const at::Tensor hidden = model.hidden(some_ids(kTokens), rows());
  at::manual_seed(11);
  hidden.backward(at::randn(hidden.sizes()).to(hidden.scalar_type()));
  made.hidden = hidden.detach();
  for (auto& [name, tensor] : models::trainable_tensors(model))
    if (tensor.grad().defined()) made.gradients[name] = tensor.grad().clone();
  return made;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor wide = expected.to(at::kDouble);
  return ((found.to(at::kDouble) - wide).norm() / wide.norm()).item<double>();
}

void expect_close(const Passes& found, const Passes& expected, double tolerance) {
  EXPECT_LT(relative_error(found.hidden, expected.hidden), tolerance);
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients)
    EXPECT_LT(relative_error(found.gradients.at(name), gradient), tolerance) << name;
}

void expect_same_bits(const Passes& found, const Passes& expected) {
  EXPECT_TRUE(at::equal(found.hidden, expected.hidden));
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients)
    EXPECT_TRUE(at::equal(found.gradients.at(name), gradient)) << name;
}

// Nodes of the graph behind `tensor` whose name holds `word`.
int64_t nodes_named(const at::Tensor& tensor, const std::string& word) {
  std::set<const torch::autograd::Node*> seen;
  std::vector<const torch::autograd::Node*> open = {tensor.grad_fn().get()};
  int64_t count = 0;
  while (!open.empty()) {
    const torch::autograd::Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (node->name().find(word) != std::string::npos) ++count;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return count;
}

int64_t fused_halves(models::CausalLM& model) {
  return nodes_named(model.hidden(some_ids(kTokens), rows()), "FusedHalf");
}

std::unique_ptr<models::CausalLM> adapted(const std::string& architecture, at::ScalarType dtype,
                                          const LoraConfig& config,
                                          const std::string& format = "none") {
  const auto shape = models::ModelConfig::from_json(tiny_config(architecture), "config.json");
  auto model = models::init_model(shape, 7, {.dtype = dtype, .quant = format});
  attach(*model, config, 1);
  randomise(*model);
  return model;
}

void train_embedding(models::CausalLM& model) {
  model.for_each_parameter([](const std::string& name, at::Tensor& tensor) {
    if (name == "model.embed_tokens.weight") tensor.set_requires_grad(true);
  });
}

constexpr int64_t kHalves = 4;  // of two layers

class FusedLaws : public ::testing::TestWithParam<Combination> {
 protected:
  std::unique_ptr<models::CausalLM> model(at::ScalarType dtype) {
    const auto& [architecture, format, variant] = GetParam();
    return adapted(architecture, dtype, {.variant = variant, .rank = 3, .alpha = 5.0}, format);
  }
  bool is_low_rank() {
    bool all = true;
    model(at::kFloat)->for_each_linear([&](const std::string&, models::Linear& linear) {
      all = all && linear.adapter->low_rank().has_value();
    });
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Every, FusedLaws, ::testing::ValuesIn(combinations()),
                         [](const auto& instance) {
                           return std::get<0>(instance.param) + "_" + std::get<1>(instance.param) +
                                  "_" + std::get<2>(instance.param);
                         });

TEST_P(FusedLaws, OutputAndGradientsAreThoseOfTheGenericPath) {
  auto trained = model(at::kFloat);
  train_embedding(*trained);
  ASSERT_EQ(fused_halves(*trained), is_low_rank() ? kHalves : 0);
  const Passes fused = passes(*trained);
  trained->use_fused = false;
  ASSERT_EQ(fused_halves(*trained), 0);
  expect_close(fused, passes(*trained), 1e-5);
}

TEST_P(FusedLaws, RecomputingChangesNoBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    auto trained = model(dtype);
    const Passes kept = passes(*trained);
    for (const int64_t layers : {1, 2}) {
      trained->recompute_layers = layers;
      expect_same_bits(passes(*trained), kept);
    }
    trained->recompute_whole = 1;  // the other recomputes its projections
    expect_same_bits(passes(*trained), kept);
  }
}

// The same values in another dtype.
void copy_values(models::CausalLM& from, models::CausalLM& to) {
  const at::NoGradGuard no_gradients;
  std::map<std::string, at::Tensor> values;
  from.for_each_parameter(
      [&](const std::string& name, at::Tensor& tensor) { values[name] = tensor; });
  to.for_each_parameter(
      [&](const std::string& name, at::Tensor& tensor) { tensor.copy_(values.at(name)); });
  const auto source = models::trainable_tensors(from);
  auto target = models::trainable_tensors(to);
  for (size_t i = 0; i < source.size(); ++i) target[i].second.copy_(source[i].second);
}

// Both paths round to bfloat16 in places of their own: the generic one rounds outputs only, the
// fused one A, B and x·Aᵀ as well.
TEST_P(FusedLaws, BFloat16IsAsNearToTheTruthAsTheGenericPath) {
  if (std::get<1>(GetParam()) != "none") GTEST_SKIP() << "weights of another dtype are others";
  auto low = model(at::kBFloat16), high = model(at::kDouble);
  double fused_error = 0.0, generic_error = 0.0, count = 0.0;
  for (const uint64_t seed : {1, 2, 3, 4}) {
    randomise(*low, 0.1, seed);
    copy_values(*low, *high);
    low->use_fused = true;
    const Passes expected = passes(*high), fused = passes(*low);
    low->use_fused = false;
    const Passes generic = passes(*low);
    for (const auto& [name, gradient] : expected.gradients) {
      fused_error += relative_error(fused.gradients.at(name), gradient);
      generic_error += relative_error(generic.gradients.at(name), gradient);
      count += 1.0;
    }
    EXPECT_LT(relative_error(fused.hidden, expected.hidden), 0.02);
  }
  EXPECT_LT(fused_error, 1.15 * generic_error);
  EXPECT_LT(fused_error / count, 0.08);
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const models::Family& family : models::families()) names.emplace_back(family.architecture);
  return names;
}

class FusedPath : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Every, FusedPath, ::testing::ValuesIn(architectures()),
                         [](const auto& instance) { return instance.param; });

TEST_P(FusedPath, ServesHalvesWithFewAdapters) {
  for (const std::string target :
       {"layers.0.*(v|o|qkv)_proj", "layers.1.*(up|gate_up)_proj", "layers.*down_proj"}) {
    auto trained = adapted(GetParam(), at::kFloat, {.rank = 2, .targets = {"re:.*" + target}});
    const Passes fused = passes(*trained);
    EXPECT_GT(fused_halves(*trained), 0);
    trained->use_fused = false;
    expect_close(fused, passes(*trained), 1e-5);
  }
}

TEST_P(FusedPath, ServesAdaptersThatAreOff) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  use_adapters(*trained, false);
  EXPECT_EQ(fused_halves(*trained), 0);  // nothing to record
  train_embedding(*trained);
  EXPECT_EQ(fused_halves(*trained), kHalves);
  const Passes fused = passes(*trained);
  EXPECT_EQ(fused.gradients.size(), 1u);
  trained->use_fused = false;
  expect_close(fused, passes(*trained), 1e-5);
}

TEST_P(FusedPath, IsNotTakenWhereMoreThanAdaptersTrains) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  trained->for_each_parameter([](const std::string& name, at::Tensor& tensor) {
    if (name.find("layers.0.mlp") != std::string::npos ||
        name.find("layers.1.input_layernorm") != std::string::npos)
      tensor.set_requires_grad(true);
  });
  EXPECT_EQ(fused_halves(*trained), 2);
}

TEST_P(FusedPath, IsNotTakenForDropoutAndDora) {
  auto dropping = adapted(GetParam(), at::kFloat, {.rank = 2, .dropout = 0.3});
  EXPECT_EQ(fused_halves(*dropping), kHalves);
  set_training(*dropping, true);
  EXPECT_EQ(fused_halves(*dropping), 0);
  EXPECT_EQ(fused_halves(*adapted(GetParam(), at::kFloat, {.variant = "dora", .rank = 2})), 0);
}

TEST_P(FusedPath, IsNotTakenWithoutGradients) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  const at::NoGradGuard no_gradients;
  EXPECT_FALSE(trained->hidden(some_ids(kTokens), rows()).requires_grad());
}

TEST_P(FusedPath, RunsBackwardOnce) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  const at::Tensor sum = trained->hidden(some_ids(kTokens), rows()).sum();
  sum.backward({}, /*retain_graph=*/true);
  EXPECT_THROW(sum.backward(), InternalError);
}

// Counts how often a weight is written out.
class CountingWeight final : public kernels::FrozenWeight {
 public:
  CountingWeight(std::unique_ptr<kernels::FrozenWeight> weight, int64_t& count)
      : weight_(std::move(weight)), count_(count) {}
  at::Tensor matmul(const at::Tensor& x) const override {
    ++count_;
    return weight_->matmul(x);
  }
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

TEST_P(FusedPath, WritesEachWeightOutOncePerPass) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2}, "nf4");
  int64_t count = 0, linears = 0, first_inputs = 0;
  trained->for_each_linear([&](const std::string& name, models::Linear& linear) {
    linear.weight = std::make_unique<CountingWeight>(std::move(linear.weight), count);
    ++linears;
    const bool is_input = !name.ends_with("o_proj");
    first_inputs += name.find("layers.0.self_attn") != std::string::npos && is_input;
  });
  for (const int64_t layers : {0, 2}) {
    trained->recompute_layers = layers;
    count = 0;
    const at::Tensor sum = trained->hidden(some_ids(kTokens), rows()).sum();
    EXPECT_EQ(count, linears);
    count = 0;
    sum.backward();
    // The first layer's own input needs no gradient.
    EXPECT_EQ(count, layers == 0 ? linears - first_inputs : linears);
  }
}

TEST_P(FusedPath, AddsGradientsOfSeveralMicroBatches) {
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  const auto gradients = [&] {
    std::vector<at::Tensor> all;
    for (auto& [name, tensor] : models::trainable_tensors(*trained))
      all.push_back(tensor.grad().flatten());
    return at::cat(all);
  };
  const auto run = [&] { trained->hidden(some_ids(kTokens), rows()).sum().backward(); };
  run();
  const at::Tensor once = gradients().clone();
  run();
  EXPECT_LT(relative_error(gradients(), once * 2.0), 1e-6);
}

// Recomputation of what the fused path does not serve.
TEST_P(FusedPath, ReplayingChangesNoBit) {
  const LoraConfig configs[] = {{.rank = 2, .dropout = 0.3}, {.variant = "dora", .rank = 2}};
  for (const LoraConfig& config : configs) {
    auto trained = adapted(GetParam(), at::kFloat, config);
    set_training(*trained, true);
    at::manual_seed(3);
    const Passes kept = passes(*trained);
    const at::Tensor after = at::rand({4});
    trained->recompute_layers = 1;
    EXPECT_EQ(nodes_named(trained->hidden(some_ids(kTokens), rows()), "Replayed"), 2);
    at::manual_seed(3);
    expect_same_bits(passes(*trained), kept);
    EXPECT_TRUE(at::equal(at::rand({4}), after));  // the generator goes on as if nothing were drawn
    trained->recompute_whole = 2;
    EXPECT_EQ(nodes_named(trained->hidden(some_ids(kTokens), rows()), "Replayed"), 2);
    at::manual_seed(3);
    expect_same_bits(passes(*trained), kept);
    EXPECT_TRUE(at::equal(at::rand({4}), after));
  }
}

TEST_P(FusedPath, ReplayingRefusesAdaptersThatWereSwitched) {
  auto trained = adapted(GetParam(), at::kFloat, {.variant = "dora", .rank = 2});
  trained->recompute_layers = 2;
  const at::Tensor sum = trained->hidden(some_ids(kTokens), rows()).sum();
  use_adapters(*trained, false);
  EXPECT_THROW(sum.backward(), InternalError);
}

TEST_P(FusedPath, ReadsAdaptersInTheForwardPassOnly) {
  // As DPO does: the policy's forward pass, the reference's, then backward.
  auto trained = adapted(GetParam(), at::kFloat, {.rank = 2});
  const Passes expected = passes(*trained);
  for (auto& [name, tensor] : models::trainable_tensors(*trained)) tensor.mutable_grad().reset();
  const at::Tensor hidden = trained->hidden(some_ids(kTokens), rows());
  use_adapters(*trained, false);
  at::manual_seed(11);
  hidden.backward(at::randn(hidden.sizes()));
  for (auto& [name, tensor] : models::trainable_tensors(*trained))
    EXPECT_TRUE(at::equal(tensor.grad(), expected.gradients.at(name))) << name;
}

TEST_P(FusedPath, ReplayingServesFullTraining) {
  auto trained = tiny_model(GetParam());
  trained->for_each_parameter(
      [](const std::string&, at::Tensor& tensor) { tensor.set_requires_grad(true); });
  const Passes kept = passes(*trained);
  trained->recompute_layers = 2;
  EXPECT_EQ(nodes_named(trained->hidden(some_ids(kTokens), rows()), "Replayed"), kHalves);
  expect_same_bits(passes(*trained), kept);
  trained->recompute_whole = 2;
  expect_same_bits(passes(*trained), kept);
}

}  // namespace
}  // namespace slmtune::lora
