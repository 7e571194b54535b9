#include "lora/variants/principal.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "kernels/quant/dense/dense_weight.h"
#include "kernels/quant/frozen_weight.h"
#include "lora/attach.h"
#include "lora/merge.h"
#include "lora/peft_files.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

LoraConfig pissa(const std::string& variant = "lora") {
  return {.variant = variant, .rank = 3, .alpha = 5.0, .init = "pissa"};
}

using Combination = std::tuple<std::string, std::string>;

std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const models::Family& family : models::families())
    for (const kernels::QuantRow& format : kernels::quant_formats())
      all.emplace_back(family.architecture, format.name);
  return all;
}

class PrincipalLaws : public ::testing::TestWithParam<Combination> {
 protected:
  std::unique_ptr<models::CausalLM> model(at::ScalarType dtype = at::kFloat) {
    const auto& [architecture, format] = GetParam();
    const auto config = models::ModelConfig::from_json(tiny_config(architecture), "config.json");
    return models::init_model(config, 7, {.dtype = dtype, .quant = format});
  }
};
INSTANTIATE_TEST_SUITE_P(Every, PrincipalLaws, ::testing::ValuesIn(combinations()),
                         [](const auto& instance) {
                           return std::get<0>(instance.param) + "_" + std::get<1>(instance.param);
                         });

void change(models::CausalLM& model) {
  const at::NoGradGuard no_gradients;
  at::manual_seed(5);
  for (auto& [name, tensor] : models::trainable_tensors(model))
    tensor.add_(at::randn_like(tensor) * 0.1);
}

at::Tensor hidden(models::CausalLM& model) {
  return model.hidden(some_ids(9), packed_layout({4, 5}));
}

TEST_P(PrincipalLaws, AFreshOneIsTheIdentity) {
  auto plain = model(), adapted = model();
  attach(*adapted, pissa(), 1);
  EXPECT_TRUE(at::equal(hidden(*plain), hidden(*adapted)));
}

TEST_P(PrincipalLaws, ApplyEqualsMerged) {
  auto adapted = model(at::kDouble);
  attach(*adapted, pissa(), 1);
  change(*adapted);
  adapted->for_each_linear([](const std::string& name, models::Linear& linear) {
    const at::Tensor x = at::randn({4, linear.weight->in_features()}, at::kDouble);
    const at::Tensor applied = linear.adapter->apply(x, linear.weight->matmul(x), *linear.weight);
    const at::Tensor merged = x.mm(linear.adapter->merged(linear.weight->dense(at::kDouble)).t());
    EXPECT_TRUE(at::allclose(applied, merged, 1e-9, 1e-9)) << name;
  });
}

// The base is not changed, so what is saved runs on the original base, as any PEFT adapter.
TEST_P(PrincipalLaws, IsSavedAsALoraOfTwiceTheRankForTheSameBase) {
  for (const char* variant : {"lora", "rslora"}) {
    const TempFolder folder;
    auto saved = model(), loaded = model();
    attach(*saved, pissa(variant), 1);
    change(*saved);
    save_peft(*saved, pissa(variant), "base", folder.path());
    const LoraConfig read = load_peft(*loaded, folder.path());
    EXPECT_EQ(read.variant, variant);
    EXPECT_EQ(read.rank, 6);
    EXPECT_EQ(read.init, "default");
    EXPECT_TRUE(at::allclose(hidden(*saved), hidden(*loaded), 1e-5, 1e-5));
    use_adapters(*loaded, false);
    EXPECT_FALSE(at::allclose(hidden(*saved), hidden(*loaded), 1e-3, 1e-3));
  }
}

TEST_P(PrincipalLaws, GradientsAreThoseOfFiniteDifferences) {
  auto adapted = model(at::kDouble);
  attach(*adapted, pissa(), 1);
  change(*adapted);
  const auto loss = [&] {
    return at::cross_entropy_loss(adapted->logits(hidden(*adapted)), some_ids(9).roll(1));
  };
  loss().backward();
  constexpr double kStep = 1e-5;
  for (auto& [name, tensor] : models::trainable_tensors(*adapted)) {
    if (name.find("layers.0.") == std::string::npos) continue;
    const at::NoGradGuard no_gradients;
    const int64_t i = tensor.numel() / 2;
    double& value = tensor.data_ptr<double>()[i];
    const double kept = value;
    value = kept + kStep;
    const double above = loss().item<double>();
    value = kept - kStep;
    const double below = loss().item<double>();
    value = kept;
    EXPECT_NEAR(tensor.grad().flatten()[i].item<double>(), (above - below) / (2 * kStep), 1e-7)
        << name;
  }
}

std::unique_ptr<PrincipalAdapter> on(const at::Tensor& weight, int64_t rank, double dropout = 0.0) {
  const kernels::DenseWeight base(weight);
  return std::make_unique<PrincipalAdapter>(AdapterShape{.in = weight.size(1),
                                                         .out = weight.size(0),
                                                         .rank = rank,
                                                         .dropout = dropout,
                                                         .dtype = at::kDouble},
                                            0.5, base, at::detail::createCPUGenerator(2));
}

TEST(Principal, BeginsAsTheBestApproximationOfItsRank) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({12, 9}, at::kDouble);
  const auto adapter = on(weight, 4);
  const at::Tensor a = *adapter->parameters().at("lora_A.weight"),
                   b = *adapter->parameters().at("lora_B.weight");
  const at::Tensor values = std::get<1>(at::linalg_svd(weight));
  const at::Tensor rest = weight - 0.5 * b.mm(a);
  const double expected = values.narrow(0, 4, 5).square().sum().sqrt().item<double>();
  EXPECT_NEAR(rest.norm().item<double>(), expected, 1e-10);
  // Both halves carry the root of the singular value.
  EXPECT_TRUE(at::allclose(a.mm(a.t()), b.t().mm(b), 1e-9, 1e-9));
}

TEST(Principal, HasTheSameSignsHoweverTheDecompositionCameOut) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({12, 9}, at::kDouble);
  const at::Tensor b = *on(weight, 4)->parameters().at("lora_B.weight");
  EXPECT_TRUE((b.gather(0, b.abs().argmax(0, true)) > 0).all().item<bool>());
  const at::Tensor turned = *on(-weight, 4)->parameters().at("lora_B.weight");
  EXPECT_TRUE(at::allclose(b, turned, 1e-9, 1e-9));
}

TEST(Principal, FindsTheLargestValuesOfAWideWeightByIteration) {
  at::manual_seed(1);
  const auto columns = [](int64_t size) {
    return std::get<0>(at::linalg_qr(at::randn({size, 40}, at::kDouble)));
  };
  const at::Tensor values = at::pow(0.8, at::arange(40, at::kDouble));
  const at::Tensor weight = (columns(530) * values).mm(columns(520).t());
  const auto adapter = on(weight, 8);
  const at::Tensor b = *adapter->parameters().at("lora_B.weight");
  EXPECT_TRUE(at::allclose(0.5 * b.square().sum(0), values.narrow(0, 0, 8), 1e-6, 1e-9));
}

TEST(Principal, TakesARankBeyondThatOfTheWeight) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({5, 9}, at::kDouble);
  const auto adapter = on(weight, 7);
  const at::Tensor a = *adapter->parameters().at("lora_A.weight"),
                   b = *adapter->parameters().at("lora_B.weight");
  EXPECT_TRUE(at::allclose(0.5 * b.mm(a), weight, 1e-9, 1e-9));
  EXPECT_TRUE((b.narrow(1, 5, 2) == 0).all().item<bool>());
  EXPECT_FALSE((a.narrow(0, 5, 2) == 0).any().item<bool>());
}

TEST(Principal, DropsInputsOfWhatIsTrainedOnly) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({6, 8}, at::kDouble), x = at::randn({5, 8}, at::kDouble);
  const kernels::DenseWeight base(weight);
  const auto adapter = on(weight, 3, 0.5);
  adapter->training = true;
  const at::Tensor product =
      0.5 *
      adapter->parameters().at("lora_B.weight")->mm(*adapter->parameters().at("lora_A.weight"));
  at::manual_seed(7);
  const at::Tensor found = adapter->apply(x, base.matmul(x), base);
  at::manual_seed(7);
  const at::Tensor expected =
      x.mm((weight - product).t()) + at::dropout(x, 0.5, true).mm(product.t());
  EXPECT_TRUE(at::allclose(found, expected, 1e-10, 1e-10));
}

TEST(Principal, KeepsPatternsOfRankAndAlpha) {
  const TempFolder folder;
  auto saved = tiny_model("LlamaForCausalLM"), loaded = tiny_model("LlamaForCausalLM");
  LoraConfig config = pissa();
  config.rank_pattern = {{"layers.1.self_attn.q_proj", 2}};
  config.alpha_pattern = {{"up_proj", 3.0}};
  attach(*saved, config, 1);
  change(*saved);
  save_peft(*saved, config, "base", folder.path());
  const Json json = read_json(folder.path() / "adapter_config.json");
  EXPECT_EQ(json.at("r"), 6);
  EXPECT_EQ(json.at("lora_alpha"), 10);
  EXPECT_EQ(json.at("rank_pattern").at("layers.1.self_attn.q_proj"), 4);
  EXPECT_EQ(json.at("alpha_pattern").at("up_proj"), 6);
  load_peft(*loaded, folder.path());
  EXPECT_TRUE(at::allclose(hidden(*saved), hidden(*loaded), 1e-5, 1e-5));
}

}  // namespace
}  // namespace slmtune::lora
