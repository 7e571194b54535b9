#include "lora/attach.h"

#include "tests/support/raises.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr const char* kLlama = "LlamaForCausalLM";

std::vector<std::string> attached(const std::vector<std::string>& targets) {
  auto model = tiny_model(kLlama);
  return attach(*model, {.rank = 4, .targets = targets}, 1);
}

at::Tensor adapter_tensor(models::CausalLM& model, const std::string& wanted) {
  for (const auto& [name, tensor] : models::trainable_tensors(model))
    if (name == wanted) return tensor;
  return {};
}

TEST(Attach, FindsTargetsByWordSuffixAndExpression) {
  EXPECT_EQ(attached({"all-linear"}).size(), 14u);
  EXPECT_EQ(attached({"attention"}).size(), 8u);
  EXPECT_EQ(attached({"mlp"}).size(), 6u);
  EXPECT_EQ(attached({"q_proj", "mlp.up_proj"}).size(), 4u);
  EXPECT_EQ(attached({"model.layers.1.self_attn.v_proj"}),
            std::vector<std::string>{"model.layers.1.self_attn.v_proj"});
  EXPECT_EQ(attached({R"(re:.*\.1\..*(q|v)_proj)"}).size(), 2u);
}

TEST(Attach, NamesTargetsThatMatchNothing) {
  EXPECT_TRUE(raises("R060", {"'query_key_value'", "'model.layers.0.self_attn.q_proj'"}, [] {
    attached({"q_proj", "query_key_value"});
  }));
  EXPECT_TRUE(raises("R060", {"'proj'"}, [] { attached({"proj"}); }));          // not a whole part
  EXPECT_TRUE(raises("R060", {"re:q_proj"}, [] { attached({"re:q_proj"}); }));  // not a full match
}

TEST(Attach, NamesABadExpression) {
  EXPECT_TRUE(
      raises("R061", {"lora.targets", "'*'", "at character 1"}, [] { attached({"re:*"}); }));
  EXPECT_TRUE(raises("R061", {"takes too long"}, [] { attached({"re:(([a-z0-9_.]+)+)+[!?]"}); }));
  EXPECT_TRUE(raises("R061", {"4096"}, [] { attached({"re:" + std::string(5000, 'a')}); }));
}

TEST(Attach, TrainsTheAdapterOnly) {
  auto model = tiny_model(kLlama);
  model->for_each_parameter([](const std::string&, at::Tensor& t) { t.set_requires_grad(true); });
  attach(*model, {.rank = 4, .targets = {"q_proj"}}, 1);
  const auto tensors = models::trainable_tensors(*model);
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors.front().first, "model.layers.0.self_attn.q_proj.lora_A.weight");
  EXPECT_EQ(models::count_parameters(*model).trainable, 2 * (16 * 4 + 4 * 16));
  model->logits(model->hidden(some_ids(6), models::Layout::single(6))).sum().backward();
  model->for_each_parameter(
      [](const std::string& name, at::Tensor& t) { EXPECT_FALSE(t.grad().defined()) << name; });
}

TEST(Attach, StartsFromTheSeedWithinTheBoundOfPeft) {
  const std::string name = "model.layers.1.mlp.down_proj.lora_A.weight";
  const auto weights = [&](uint64_t seed) {
    auto model = tiny_model(kLlama);
    attach(*model, {.rank = 8}, seed);
    return adapter_tensor(*model, name);
  };
  EXPECT_TRUE(at::equal(weights(3), weights(3)));
  EXPECT_FALSE(at::equal(weights(3), weights(4)));
  const double bound = 1.0 / std::sqrt(24.0), largest = weights(3).abs().max().item<double>();
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.9 * bound);
}

TEST(Attach, KeepsAdaptersInFloat32OverBfloat16) {
  auto model = tiny_model(kLlama, at::kBFloat16);
  attach(*model, {.rank = 4}, 1);
  for (const auto& [name, tensor] : models::trainable_tensors(*model))
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
  const at::Tensor hidden = model->hidden(some_ids(6), models::Layout::single(6));
  EXPECT_EQ(hidden.scalar_type(), at::kBFloat16);
}

TEST(Attach, GivesSingleModulesAnotherRank) {
  auto model = tiny_model(kLlama);
  LoraConfig config{.rank = 4, .targets = {"attention"}};
  config.rank_pattern = {{"layers.1.self_attn.q_proj", 2}};
  attach(*model, config, 1);
  EXPECT_EQ(adapter_tensor(*model, "model.layers.0.self_attn.q_proj.lora_A.weight").size(0), 4);
  EXPECT_EQ(adapter_tensor(*model, "model.layers.1.self_attn.q_proj.lora_A.weight").size(0), 2);
}

TEST(Attach, RefusesPatternsWhoseOrderWouldMatter) {
  auto model = tiny_model(kLlama);
  LoraConfig config{.rank = 4, .targets = {"q_proj"}};
  config.alpha_pattern = {{"q_proj", 2.0}, {"self_attn.q_proj", 3.0}};
  EXPECT_TRUE(raises("F061", {"two patterns"}, [&] { attach(*model, config, 1); }));
}

TEST(Attach, DropoutActsWhileTrainingOnly) {
  auto model = tiny_model(kLlama);
  attach(*model, {.rank = 4, .dropout = 0.5}, 1);
  for (auto& [name, tensor] : models::trainable_tensors(*model))
    if (name.ends_with("lora_B.weight")) tensor.detach().normal_();
  const auto hidden = [&] { return model->hidden(some_ids(6), models::Layout::single(6)); };
  EXPECT_TRUE(at::equal(hidden(), hidden()));
  set_training(*model, true);
  EXPECT_FALSE(at::equal(hidden(), hidden()));
  set_training(*model, false);
  EXPECT_TRUE(at::equal(hidden(), hidden()));
}

// What the fused path asks: PiSSA is a plain product too, of twice the rank; DoRA is none.
TEST(Attach, SaysWhenAnAdapterIsNothingButALowRankProduct) {
  const auto low_rank = [](LoraConfig config, bool training) {
    auto model = tiny_model(kLlama);
    config.targets = {"re:.*layers.0.self_attn.q_proj"};
    attach(*model, config, 1);
    set_training(*model, training);
    std::optional<models::LowRank> found;
    model->for_each_linear([&](const std::string&, models::Linear& linear) {
      if (linear.adapter) found = linear.adapter->low_rank();
    });
    return found;
  };
  EXPECT_EQ(low_rank({.rank = 4, .alpha = 8.0}, true)->scale, 2.0);
  EXPECT_EQ(low_rank({.rank = 4}, true)->a.sizes(), (at::IntArrayRef{4, 16}));
  EXPECT_EQ(low_rank({.rank = 4, .init = "pissa"}, true)->a.sizes(), (at::IntArrayRef{8, 16}));
  EXPECT_FALSE(low_rank({.rank = 4, .dropout = 0.1}, true));
  EXPECT_TRUE(low_rank({.rank = 4, .dropout = 0.1}, false));
  EXPECT_FALSE(low_rank({.rank = 4, .dropout = 0.1, .init = "pissa"}, true));
  EXPECT_FALSE(low_rank({.variant = "dora", .rank = 4}, false));
}

TEST(Attach, CanSwitchTheAdapterOff) {
  auto model = tiny_model(kLlama);
  const auto hidden = [&] { return model->hidden(some_ids(6), models::Layout::single(6)); };
  const at::Tensor base = hidden();
  attach(*model, {.rank = 4}, 1);
  for (auto& [name, tensor] : models::trainable_tensors(*model)) tensor.detach().normal_();
  EXPECT_FALSE(at::allclose(hidden(), base));
  use_adapters(*model, false);
  EXPECT_TRUE(at::equal(hidden(), base));
  use_adapters(*model, true);
  EXPECT_FALSE(at::allclose(hidden(), base));
}

}  // namespace
}  // namespace slmtune::lora
