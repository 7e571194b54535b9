#include "lora/variants/dora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "kernels/quant/dense/dense_weight.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr double kScale = 0.75;

// One linear [6, 8] with a DoRA of rank 3, all in double precision, no tensor of it zero.
struct OneLinear {
  explicit OneLinear(double dropout = 0.0) {
    at::manual_seed(1);
    dense = at::randn({6, 8}, at::kDouble);
    base = std::make_unique<kernels::DenseWeight>(dense);
    adapter = std::make_unique<DoraAdapter>(
        AdapterShape{.in = 8, .out = 6, .rank = 3, .dropout = dropout, .dtype = at::kDouble},
        kScale, *base, at::detail::createCPUGenerator(2));
    const at::NoGradGuard no_gradients;
    for (auto& [name, tensor] : adapter->parameters()) tensor->add_(at::randn_like(*tensor));
    x = at::randn({5, 8}, at::kDouble);
  }
  at::Tensor apply() { return adapter->apply(x, base->matmul(x), *base); }
  at::Tensor tensor(const std::string& name) { return *adapter->parameters().at(name); }

  at::Tensor dense, x;
  std::unique_ptr<kernels::DenseWeight> base;
  std::unique_ptr<DoraAdapter> adapter;
};

// The paper's equation 5 with the length as a constant, written with the whole matrix.
at::Tensor written_out(OneLinear& linear, const at::Tensor& x) {
  const at::Tensor sum =
      linear.dense + kScale * linear.tensor("lora_B.weight").mm(linear.tensor("lora_A.weight"));
  const at::Tensor length = at::linalg_vector_norm(sum.detach(), 2, at::IntArrayRef{1});
  return x.mm((sum * (linear.tensor("lora_magnitude_vector") / length).unsqueeze(1)).t());
}

TEST(Dora, GivesTheOutputsAndGradientsOfThePaper) {
  OneLinear one, other;
  const at::Tensor found = one.apply(), expected = written_out(other, other.x);
  EXPECT_TRUE(at::allclose(found, expected, 1e-12, 1e-12));
  const at::Tensor towards = at::randn_like(expected);
  (found * towards).sum().backward();
  (expected * towards).sum().backward();
  for (const char* name : {"lora_A.weight", "lora_B.weight", "lora_magnitude_vector"})
    EXPECT_TRUE(at::allclose(one.tensor(name).grad(), other.tensor(name).grad(), 1e-11, 1e-11))
        << name;
}

// PEFT: W·x stays, and what the adapter adds to it is worked out from dropout(x).
TEST(Dora, DropsInputsOfWhatItAddsOnly) {
  OneLinear linear(0.5);
  linear.adapter->training = true;
  at::manual_seed(7);
  const at::Tensor found = linear.apply();
  at::manual_seed(7);
  const at::Tensor dropped = at::dropout(linear.x, 0.5, true);
  const at::Tensor expected =
      linear.x.mm(linear.dense.t()) + written_out(linear, dropped) - dropped.mm(linear.dense.t());
  EXPECT_TRUE(at::allclose(found, expected, 1e-12, 1e-12));
}

TEST(Dora, KeepsARowOfZerosAtZero) {
  const auto base = kernels::DenseWeight(at::zeros({4, 8}));
  const DoraAdapter adapter({.in = 8, .out = 4, .rank = 2}, 1.0, base,
                            at::detail::createCPUGenerator(2));
  const at::Tensor x = at::ones({3, 8});
  EXPECT_TRUE(at::equal(adapter.apply(x, base.matmul(x), base), at::zeros({3, 4})));
  EXPECT_TRUE(at::equal(adapter.merged(at::zeros({4, 8})), at::zeros({4, 8})));
}

TEST(Dora, IsNamedOnDiskAsPeftNamesIt) {
  const TempFolder folder;
  auto model = tiny_model("LlamaForCausalLM");
  const LoraConfig config{.variant = "dora", .rank = 2, .targets = {"q_proj"}};
  attach(*model, config, 1);
  save_peft(*model, config, "base", folder.path());
  const Json json = read_json(folder.path() / "adapter_config.json");
  EXPECT_EQ(json.at("use_dora"), true);
  EXPECT_EQ(json.at("use_rslora"), false);
  const auto file = SafetensorsFile::open(folder.path() / "adapter_model.safetensors");
  const TensorView& view =
      file.tensors().at("base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector");
  EXPECT_EQ(view.shape, std::vector<int64_t>{16});
}

TEST(Dora, IsRefusedOnDiskWithoutItsMagnitudesOrWithRslora) {
  const TempFolder folder;
  auto model = tiny_model("LlamaForCausalLM");
  const LoraConfig config{.rank = 2, .targets = {"q_proj"}};
  attach(*model, config, 1);
  save_peft(*model, config, "base", folder.path());
  Json json = read_json(folder.path() / "adapter_config.json");
  json["use_dora"] = true;
  folder.write("adapter_config.json", json.dump());
  EXPECT_TRUE(raises("F063", {"q_proj.lora_magnitude_vector", "missing"},
                     [&] { load_peft(*model, folder.path()); }));
  json["use_rslora"] = true;
  folder.write("adapter_config.json", json.dump());
  EXPECT_TRUE(
      raises("F061", {"'use_dora'", "'use_rslora'"}, [&] { load_peft(*model, folder.path()); }));
}

}  // namespace
}  // namespace slmtune::lora
