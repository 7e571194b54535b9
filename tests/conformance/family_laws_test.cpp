// Laws of models/causal_lm.h over every family of the registry (packing, caching and naming are in
// tests/models/decoder_test.cpp): a new family is tested by being there.
#include <set>

#include <gtest/gtest.h>

#include "lora/attach.h"
#include "lora/merge.h"
#include "models/families/family.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const models::Family& family : models::families()) names.emplace_back(family.architecture);
  return names;
}

class FamilyLaws : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<models::CausalLM> model(at::ScalarType dtype = at::kFloat) {
    return tiny_model(GetParam(), dtype);
  }
};
INSTANTIATE_TEST_SUITE_P(Every, FamilyLaws, ::testing::ValuesIn(architectures()),
                         [](const auto& instance) { return instance.param; });

std::vector<std::string> linear_names(models::CausalLM& model) {
  std::vector<std::string> names;
  model.for_each_linear([&](const std::string& name, models::Linear&) { names.push_back(name); });
  return names;
}

void randomise(models::CausalLM& model) {
  const at::NoGradGuard no_gradients;
  at::manual_seed(3);
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.normal_(0.0, 0.2);
}

// Longer than the windows of the tiny models, in two rows.
at::Tensor loss(models::CausalLM& model) {
  const at::Tensor hidden = model.hidden(some_ids(17), packed_layout({12, 5}));
  return at::cross_entropy_loss(model.logits(hidden), some_ids(17).roll(1));
}

TEST_P(FamilyLaws, GradientsOfEveryParameterAreThoseOfFiniteDifferences) {
  auto trained = model(at::kDouble);
  trained->for_each_parameter(
      [](const std::string&, at::Tensor& tensor) { tensor.set_requires_grad(true); });
  loss(*trained).backward();
  constexpr double kStep = 1e-5;
  for (auto& [name, tensor] : models::trainable_tensors(*trained)) {
    const at::NoGradGuard no_gradients;
    double* values = tensor.data_ptr<double>();
    const int64_t i = tensor.numel() / 2;
    const double kept = values[i];
    values[i] = kept + kStep;
    const double above = loss(*trained).item<double>();
    values[i] = kept - kStep;
    const double below = loss(*trained).item<double>();
    values[i] = kept;
    EXPECT_NEAR(tensor.grad().flatten()[i].item<double>(), (above - below) / (2 * kStep), 1e-7)
        << name;
  }
}

TEST_P(FamilyLaws, AdaptersAttachToEveryLinear) {
  auto adapted = model();
  const std::vector<std::string> linears = linear_names(*adapted);
  EXPECT_EQ(attach(*adapted, {.rank = 2}, 1), linears);
  EXPECT_EQ(attach(*adapted, {.rank = 2, .targets = {"attention", "mlp"}}, 1), linears);
  // Every matrix is a linear but the embedding and the head.
  std::set<std::string> matrices;
  model()->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (tensor.dim() == 2) matrices.insert(name);
  });
  for (const std::string& name : linears) EXPECT_EQ(matrices.erase(name + ".weight"), 1u) << name;
  EXPECT_EQ(matrices, (std::set<std::string>{"lm_head.weight", "model.embed_tokens.weight"}));
}

TEST_P(FamilyLaws, EveryAdapterChangesTheLogits) {
  auto adapted = model();
  const double base = loss(*adapted).item<double>();
  attach(*adapted, {.rank = 2}, 1);
  adapted->for_each_linear([&](const std::string& name, models::Linear& linear) {
    const at::NoGradGuard no_gradients;
    at::Tensor& b = *linear.adapter->parameters().at("lora_B.weight");
    b.fill_(0.1);
    EXPECT_NE(loss(*adapted).item<double>(), base) << name;
    b.zero_();
  });
}

TEST_P(FamilyLaws, AMergedFolderGivesTheAdaptersLogits) {
  const TempFolder base, merged;
  write_model_folder(*model(), base.path());
  auto adapted = models::load_model(base.path(), {});
  attach(*adapted, {.rank = 2, .alpha = 4.0}, 1);
  randomise(*adapted);
  write_safetensors(merged.path() / "model.safetensors",
                    merged_tensors(*adapted, TensorFolder::open(base.path())));
  write_file(merged.path() / "config.json", adapted->config().json.dump());
  auto plain = models::load_model(merged.path(), {});
  const auto logits = [](models::CausalLM& m) {
    return m.logits(m.hidden(some_ids(17), packed_layout({12, 5})));
  };
  const at::Tensor difference = (logits(*plain) - logits(*adapted)).abs().max();
  EXPECT_LT(difference.item<double>(), 1e-4);
}

TEST_P(FamilyLaws, FreshNormsChangeNothingButTheScale) {
  // Whatever the norm's neutral weight is: x / rms(x), so that a fresh model trains.
  auto fresh = model();
  const at::Tensor hidden = fresh->hidden(some_ids(9), models::Layout::single(9));
  EXPECT_TRUE(at::allclose(hidden.square().mean(-1), at::ones({9}), 0.0, 0.02));
}

}  // namespace
}  // namespace slmtune::lora
