#include "lora/stored_adapter.h"

#include "core/json.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr const char* kLlama = "LlamaForCausalLM";

class StoredAdapters : public ::testing::Test {
 protected:
  StoredAdapters() {
    write_model_folder(*tiny_model(kLlama), base_.path());
    save({.rank = 4, .alpha = 8.0, .targets = {"attention"}});
  }
  void save(const LoraConfig& config) {
    auto model = tiny_model(kLlama);
    attach(*model, config, 3);
    save_peft(*model, config, "base", folder_.path());
  }
  StoredAdapter read() {
    return read_stored_adapter(*models::load_skeleton(base_.path()), folder_.path());
  }
  void add(const std::map<std::string, at::Tensor>& more) {
    std::vector<TensorSource> tensors;
    const StoredAdapter stored = read();
    for (const auto& [name, view] : stored.file.tensors())
      tensors.push_back(tensor_source(name, models::borrow_tensor(view).clone(), DType::kF32));
    for (const auto& [name, tensor] : more)
      tensors.push_back(tensor_source("base_model.model." + name, tensor, DType::kF16));
    write_safetensors(folder_.path() / "adapter_model.safetensors", tensors);
  }

  TempFolder base_, folder_;
};

TEST_F(StoredAdapters, PairsAreThoseOfTheFileWithTheirScale) {
  LoraConfig config{.variant = "rslora", .rank = 4, .alpha = 8.0, .targets = {"q_proj", "up_proj"}};
  config.rank_pattern = {{"layers.1.self_attn.q_proj", 9}};
  save(config);
  const StoredAdapter adapter = read();
  ASSERT_EQ(adapter.pairs.size(), 4u);
  const StoredPair &plain = adapter.pairs[1], &wide = adapter.pairs[3];
  EXPECT_EQ(plain.module, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(plain.rank(), 4);
  EXPECT_DOUBLE_EQ(plain.scale, 4.0);
  EXPECT_EQ(wide.module, "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(wide.rank(), 9);
  EXPECT_DOUBLE_EQ(wide.scale, 8.0 / 3.0);
  EXPECT_EQ(wide.b.shape, (std::vector<int64_t>{16, 9}));
}

TEST_F(StoredAdapters, ValuesComeInFloat32) {
  add({{"lm_head.lora_A.weight", at::full({4, 16}, 0.5)},
       {"lm_head.lora_B.weight", at::ones({40, 4})}});
  const StoredAdapter adapter = read();
  EXPECT_EQ(adapter.pairs.front().module, "lm_head");
  EXPECT_EQ(float_values(adapter.pairs.front().a), std::vector<float>(64, 0.5f));
}

TEST_F(StoredAdapters, CopiesOfTheBasesVocabularyAreNoPairs) {
  add({{"model.embed_tokens.lora_embedding_A", at::ones({4, 40})},
       {"model.embed_tokens.lora_embedding_B", at::ones({16, 4})},
       {"model.embed_tokens.base_layer.weight", at::ones({40, 16})}});
  const StoredAdapter adapter = read();
  EXPECT_EQ(adapter.pairs.size(), 9u);
  EXPECT_TRUE(adapter.pairs.front().is_embedding());
  auto model = tiny_model(kLlama);  // which cannot be trained further here
  EXPECT_TRUE(raises("F061", {"embed_tokens"}, [&] { load_peft(*model, folder_.path()); }));
}

TEST_F(StoredAdapters, AResizedVocabularyIsRefused) {
  add({{"model.embed_tokens.lora_embedding_A", at::ones({4, 41})},
       {"model.embed_tokens.lora_embedding_B", at::ones({16, 4})}});
  EXPECT_TRUE(raises("F062", {"lora_embedding_A", "[4, 41]", "[4, 40]"}, [&] { read(); }));
}

TEST_F(StoredAdapters, AResizedCopyOfTheBaseIsRefused) {
  add({{"model.embed_tokens.lora_embedding_A", at::ones({4, 40})},
       {"model.embed_tokens.lora_embedding_B", at::ones({16, 4})},
       {"model.embed_tokens.base_layer.weight", at::ones({41, 16})}});
  EXPECT_TRUE(raises("F062", {"base_layer", "[41, 16]"}, [&] { read(); }));
}

TEST_F(StoredAdapters, AnotherShapeThanTheBasesIsRefused) {
  Json config = read_json(folder_.path() / "adapter_config.json");
  config["rank_pattern"] = {{"layers.0.self_attn.q_proj", 5}};
  folder_.write("adapter_config.json", config.dump());
  EXPECT_TRUE(raises("F062", {"q_proj.lora_A.weight", "[4, 16]", "[5, 16]"}, [&] { read(); }));
}

TEST_F(StoredAdapters, AHalfPairIsRefused) {
  add({{"lm_head.lora_A.weight", at::ones({4, 16})}});
  EXPECT_TRUE(raises("F063", {"lm_head.lora_B.weight"}, [&] { read(); }));
}

}  // namespace
}  // namespace slmtune::lora
