// Laws of models/adapter.h over every family × storage format × LoRA variant: a new row of any
// registry is tested by being there.
#include <tuple>

#include <gtest/gtest.h>

#include "kernels/quant/frozen_weight.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "lora/variants/registry.h"
#include "models/families/family.h"
#include "tests/support/temp_folder.h"
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

class AdapterLaws : public ::testing::TestWithParam<Combination> {
 protected:
  std::unique_ptr<models::CausalLM> model(at::ScalarType dtype) {
    const auto& [architecture, format, variant] = GetParam();
    const auto config = models::ModelConfig::from_json(tiny_config(architecture), "config.json");
    return models::init_model(config, 7, {.dtype = dtype, .quant = format});
  }
  LoraConfig config() const {
    return {.variant = std::get<2>(GetParam()), .rank = 3, .alpha = 5.0};
  }
};
INSTANTIATE_TEST_SUITE_P(Every, AdapterLaws, ::testing::ValuesIn(combinations()),
                         [](const auto& instance) {
                           return std::get<0>(instance.param) + "_" + std::get<1>(instance.param) +
                                  "_" + std::get<2>(instance.param);
                         });

void randomise(models::CausalLM& model) {
  const at::NoGradGuard no_gradients;
  at::manual_seed(5);
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.normal_(0.0, 0.2);
}

at::Tensor loss(models::CausalLM& model) {
  const at::Tensor hidden = model.hidden(some_ids(9), packed_layout({4, 5}));
  return at::cross_entropy_loss(model.logits(hidden), some_ids(9).roll(1));
}

TEST_P(AdapterLaws, FreshAdapterIsTheIdentity) {
  auto plain = model(at::kFloat), adapted = model(at::kFloat);
  attach(*adapted, config(), 1);
  const auto hidden = [](models::CausalLM& m) {
    return m.hidden(some_ids(9), packed_layout({4, 5}));
  };
  EXPECT_TRUE(at::equal(hidden(*plain), hidden(*adapted)));
}

TEST_P(AdapterLaws, ApplyEqualsMerged) {
  auto adapted = model(at::kDouble);
  attach(*adapted, config(), 1);
  randomise(*adapted);
  adapted->for_each_linear([](const std::string& name, models::Linear& linear) {
    const at::Tensor x = at::randn({4, linear.weight->in_features()}, at::kDouble);
    const at::Tensor applied = linear.adapter->apply(x, linear.weight->matmul(x), *linear.weight);
    const at::Tensor merged = x.mm(linear.adapter->merged(linear.weight->dense(at::kDouble)).t());
    EXPECT_TRUE(at::allclose(applied, merged, 1e-9, 1e-9)) << name;
  });
}

TEST_P(AdapterLaws, SavedAdapterComesBackBitForBit) {
  const TempFolder folder;
  auto saved = model(at::kFloat), loaded = model(at::kFloat);
  attach(*saved, config(), 1);
  randomise(*saved);
  save_peft(*saved, config(), "base", folder.path());
  const LoraConfig read = load_peft(*loaded, folder.path());
  EXPECT_EQ(read.variant, config().variant);
  EXPECT_EQ(read.rank, config().rank);
  EXPECT_EQ(read.alpha, config().alpha);
  const auto expected = models::trainable_tensors(*saved);
  const auto found = models::trainable_tensors(*loaded);
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].first, expected[i].first);
    EXPECT_TRUE(at::equal(found[i].second, expected[i].second)) << found[i].first;
  }
  EXPECT_TRUE(at::equal(loss(*saved), loss(*loaded)));
}

TEST_P(AdapterLaws, GradientsAreThoseOfFiniteDifferences) {
  auto adapted = model(at::kDouble);
  attach(*adapted, config(), 1);
  randomise(*adapted);
  loss(*adapted).backward();
  constexpr double kStep = 1e-5;
  for (auto& [name, tensor] : models::trainable_tensors(*adapted)) {
    // The lengths that DoRA divides by are constants for its gradient (tests/lora/dora_test.cpp).
    const bool is_dora = find_variant(config().variant)->use_dora;
    if (is_dora && !name.ends_with("lora_magnitude_vector")) continue;
    const at::NoGradGuard no_gradients;
    double* values = tensor.data_ptr<double>();
    for (const int64_t i : {int64_t{0}, tensor.numel() / 2, tensor.numel() - 1}) {
      const double kept = values[i];
      values[i] = kept + kStep;
      const double above = loss(*adapted).item<double>();
      values[i] = kept - kStep;
      const double below = loss(*adapted).item<double>();
      values[i] = kept;
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(tensor.grad().flatten()[i].item<double>(), expected, 1e-7) << name << " " << i;
    }
  }
}

TEST_P(AdapterLaws, OnlyTheAdapterGetsGradients) {
  auto adapted = model(at::kFloat);
  attach(*adapted, config(), 1);
  loss(*adapted).backward();
  adapted->for_each_parameter([](const std::string& name, at::Tensor& tensor) {
    EXPECT_FALSE(tensor.requires_grad() || tensor.grad().defined()) << name;
  });
  for (const auto& [name, tensor] : models::trainable_tensors(*adapted))
    EXPECT_TRUE(tensor.grad().defined()) << name;
}

}  // namespace
}  // namespace slmtune::lora
