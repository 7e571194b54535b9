#include "lora/merge.h"

#include <limits>

#include "lora/attach.h"
#include "lora/peft_files.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr const char* kQwen = "Qwen2ForCausalLM";

void randomise(models::CausalLM& model, double size = 0.1) {
  const at::NoGradGuard no_gradients;
  for (auto& [name, tensor] : models::trainable_tensors(model)) tensor.normal_(0.0, size);
}

class Merge : public ::testing::TestWithParam<DType> {
 protected:
  TempFolder base_, merged_;
};
INSTANTIATE_TEST_SUITE_P(StoredAs, Merge, ::testing::Values(DType::kF32, DType::kBF16, DType::kF16),
                         [](const auto& instance) {
                           return std::string(dtype_name(instance.param));
                         });

TEST_P(Merge, KeepsTypesAndGivesTheAdaptersOutputs) {
  write_model_folder(*tiny_model(kQwen), base_.path(), GetParam());
  auto model = models::load_model(base_.path(), {});
  attach(*model, {.rank = 4, .targets = {"attention"}}, 1);
  randomise(*model);
  const TensorFolder base = TensorFolder::open(base_.path());
  write_safetensors(merged_.path() / "model.safetensors", merged_tensors(*model, base));
  write_file(merged_.path() / "config.json", model->config().json.dump());

  const TensorFolder written = TensorFolder::open(merged_.path());
  ASSERT_EQ(written.tensors().size(), base.tensors().size());
  for (const auto& [name, view] : written.tensors()) {
    EXPECT_EQ(view->dtype, GetParam()) << name;
    const bool same = at::equal(models::borrow_tensor(*view), models::borrow_tensor(base.at(name)));
    EXPECT_EQ(same, name.find("self_attn") == std::string::npos || name.ends_with(".bias")) << name;
  }
  auto plain = models::load_model(merged_.path(), {});
  const auto hidden = [](models::CausalLM& m) {
    return m.hidden(some_ids(9), models::Layout::single(9));
  };
  const double tolerance = GetParam() == DType::kF32 ? 1e-5 : 0.05;
  EXPECT_TRUE(at::allclose(hidden(*plain), hidden(*model), tolerance, tolerance));
}

TEST(MergeToHalf, RefusesValuesBeyondItsRange) {
  const TempFolder folder;
  write_model_folder(*tiny_model(kQwen), folder.path(), DType::kF16);
  auto model = models::load_model(folder.path(), {});
  attach(*model, {.rank = 4, .targets = {"q_proj"}}, 1);
  randomise(*model, 1e4);
  const TensorFolder base = TensorFolder::open(folder.path());
  EXPECT_TRUE(raises("F070", {"q_proj.weight", "float16", "bfloat16"}, [&] {
    write_safetensors(folder.path() / "out.safetensors", merged_tensors(*model, base));
  }));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "out.safetensors"));
}

// Values written by `sources`, by name.
std::map<std::string, at::Tensor> written(const std::vector<TensorSource>& sources,
                                          const TempFolder& folder, const std::string& name) {
  write_safetensors(folder.path() / name, sources);
  const SafetensorsFile file = SafetensorsFile::open(folder.path() / name);
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, view] : file.tensors()) tensors[key] = models::borrow_tensor(view).clone();
  return tensors;
}

TEST(MergeWithoutValues, GivesTheSameBytes) {
  for (const char* variant : {"lora", "rslora", "dora"}) {
    const TempFolder folder, adapter;
    write_model_folder(*tiny_model(kQwen), folder.path(), DType::kBF16);
    auto model = models::load_model(folder.path(), {});
    const LoraConfig config{.variant = variant, .rank = 4, .targets = {"all-linear"}};
    attach(*model, config, 1);
    randomise(*model);
    save_peft(*model, config, "base", adapter.path());
    const TensorFolder base = TensorFolder::open(folder.path());
    auto skeleton = models::load_skeleton(folder.path());
    EXPECT_EQ(load_peft(*skeleton, adapter.path()).variant, variant);
    const auto expected = written(merged_tensors(*model, base), folder, "full.safetensors");
    const auto found = written(merged_tensors(*skeleton, base), folder, "light.safetensors");
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, values] : expected)
      EXPECT_TRUE(at::equal(found.at(name), values)) << variant << " " << name;
  }
}

TEST(MergeToAnotherType, WritesAllOfTheModelInIt) {
  const TempFolder folder;
  write_model_folder(*tiny_model(kQwen), folder.path(), DType::kF16);
  auto model = models::load_model(folder.path(), {});
  attach(*model, {.rank = 4, .targets = {"q_proj"}}, 1);
  randomise(*model, 1e4);  // beyond float16
  const TensorFolder base = TensorFolder::open(folder.path());
  const auto narrow = written(merged_tensors(*model, base, DType::kBF16), folder, "bf16.st");
  const auto wide = written(merged_tensors(*model, base, DType::kF32), folder, "f32.st");
  for (const auto& [name, values] : wide) {
    EXPECT_TRUE(at::equal(narrow.at(name), values.to(at::kBFloat16))) << name;
    if (name.find("q_proj.weight") != std::string::npos) continue;
    EXPECT_TRUE(at::equal(values, models::borrow_tensor(base.at(name)).to(at::kFloat))) << name;
  }
}

TEST(MergedValues, ThatAreNotFiniteAreRefused) {
  const TempFolder folder;
  write_model_folder(*tiny_model(kQwen), folder.path(), DType::kBF16);
  auto model = models::load_model(folder.path(), {});
  attach(*model, {.rank = 4, .targets = {"q_proj"}}, 1);
  randomise(*model, std::numeric_limits<double>::infinity());
  const TensorFolder base = TensorFolder::open(folder.path());
  EXPECT_TRUE(raises("F096", {"q_proj.weight", "not a finite"}, [&] {
    write_safetensors(folder.path() / "out.safetensors", merged_tensors(*model, base));
  }));
}

TEST(DenseTensors, RoundOnceToTheStoredType) {
  const TempFolder folder;
  auto model = tiny_model(kQwen);
  write_safetensors(folder.path() / "model.safetensors", dense_tensors(*model, DType::kBF16));
  const TensorFolder written = TensorFolder::open(folder.path());
  size_t count = 0;
  model->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    EXPECT_TRUE(at::equal(models::borrow_tensor(written.at(name)), tensor.to(at::kBFloat16)));
    ++count;
  });
  EXPECT_EQ(written.tensors().size(), count);
}

}  // namespace
}  // namespace slmtune::lora
