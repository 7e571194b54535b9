#include "export/gguf/gguf_lora.h"

#include <cmath>

#include "export/gguf/gguf.h"
#include "export/gguf/gguf_tensors.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::exporting {
namespace {

using namespace slmtune::testing;

constexpr const char* kLlama = "LlamaForCausalLM";
constexpr const char* kQwen = "Qwen2ForCausalLM";
constexpr const char* kPhi = "Phi3ForCausalLM";
constexpr const char* kPrefix = "base_model.model.";

// A PEFT folder over a tiny model, and what it becomes.
class GgufLora : public ::testing::Test {
 protected:
  void save(const lora::LoraConfig& config, const char* architecture = kLlama, bool tied = false) {
    model_ = tiny_model(architecture, at::kFloat, tied);
    lora::attach(*model_, config, 3);
    const at::NoGradGuard no_gradients;
    at::manual_seed(5);
    for (auto& [name, tensor] : models::trainable_tensors(*model_)) tensor.normal_(0.0, 1.0);
    lora::save_peft(*model_, config, "base", folder_.path());
  }

  // More tensors into the folder's file, or others.
  void add_tensors(const std::map<std::string, at::Tensor>& more) {
    std::map<std::string, at::Tensor> tensors;
    const lora::StoredAdapter stored = adapter();
    for (const auto& [name, view] : stored.file.tensors())
      tensors[name] = models::borrow_tensor(view).clone();
    for (const auto& [name, tensor] : more) tensors[kPrefix + name] = tensor;
    std::vector<TensorSource> sources;
    for (const auto& [name, tensor] : tensors)
      sources.push_back(tensor_source(name, tensor, DType::kF32));
    write_safetensors(folder_.path() / "adapter_model.safetensors", sources);
  }

  lora::StoredAdapter adapter() { return lora::read_stored_adapter(*model_, folder_.path()); }
  std::filesystem::path target() const { return folder_.path() / "out" / "tiny-LoRA.gguf"; }
  GgufLoraReport write() { return write_gguf_lora(model_->config(), adapter(), "tiny", target()); }
  GgufFile file() {
    write();
    return GgufFile::open(target());
  }

  static at::Tensor values(const GgufFile& file, const std::string& name) {
    for (const GgufTensor& tensor : file.tensors())
      if (tensor.name == name) {
        const auto bytes = file.data(name);
        return at::from_blob(const_cast<std::byte*>(bytes.data()), tensor.shape, at::kFloat)
            .clone();
      }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  static float alpha(const GgufFile& file) {
    return std::get<float>(file.metadata().at("adapter.lora.alpha"));
  }
  // What the runtime adds to the weight of a module, in the row order of the file.
  static at::Tensor added(const GgufFile& file, const std::string& name) {
    const at::Tensor a = values(file, name + ".lora_a"), b = values(file, name + ".lora_b");
    return b.mm(a) * (double{alpha(file)} / static_cast<double>(b.size(1)));
  }
  // s·B·A of the folder.
  at::Tensor expected(const std::string& module) {
    const lora::StoredAdapter stored = adapter();
    for (const lora::StoredPair& pair : stored.pairs)
      if (pair.module == module)
        return models::borrow_tensor(pair.b).mm(models::borrow_tensor(pair.a)) * pair.scale;
    ADD_FAILURE() << "no module " << module;
    return {};
  }

  TempFolder folder_;
  std::unique_ptr<models::CausalLM> model_;
};

TEST_F(GgufLora, HoldsTheKeysOfAnAdapterAndNoOthers) {
  save({.rank = 4, .alpha = 6.0, .targets = {"q_proj"}});
  const std::map<std::string, GgufValue> expected = {
      {"general.architecture", std::string("llama")}, {"general.type", std::string("adapter")},
      {"general.name", std::string("tiny")},          {"general.file_type", uint32_t{0}},
      {"adapter.type", std::string("lora")},          {"adapter.lora.alpha", 6.0f}};
  EXPECT_EQ(file().metadata(), expected);
}

TEST_F(GgufLora, NamesEveryModuleAsTheBaseDoes) {
  save({.rank = 4, .targets = {"all-linear"}}, kQwen);
  const GgufFile written = file();
  EXPECT_EQ(written.tensors().size(), 2u * 2u * 7u);
  for (const char* module : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up"}) {
    const std::string name = "blk.1." + std::string(module) + ".weight";
    EXPECT_EQ(values(written, name + ".lora_a").sizes(), at::IntArrayRef({4, 16})) << name;
  }
  EXPECT_EQ(values(written, "blk.0.ffn_down.weight.lora_a").sizes(), at::IntArrayRef({4, 24}));
  EXPECT_EQ(values(written, "blk.0.ffn_down.weight.lora_b").sizes(), at::IntArrayRef({16, 4}));
}

TEST_F(GgufLora, AddsWhatTheAdapterAdds) {
  save({.rank = 4, .alpha = 6.0, .targets = {"all-linear"}}, kQwen);
  const GgufFile written = file();
  EXPECT_TRUE(at::allclose(added(written, "blk.1.attn_q.weight"),
                           expected("model.layers.1.self_attn.q_proj")));
  EXPECT_TRUE(at::allclose(added(written, "blk.0.ffn_down.weight"),
                           expected("model.layers.0.mlp.down_proj")));
}

TEST_F(GgufLora, RowsOfQueriesAndKeysGoTheWayOfLlamasRows) {
  save({.rank = 4, .targets = {"attention"}});
  const GgufFile written = file();
  const auto check = [&](const std::string& name, const std::string& module, int64_t heads) {
    const at::Tensor found = added(written, name), wanted = expected(module);
    const int64_t rows = wanted.size(0);
    for (int64_t row = 0; row < rows; ++row)
      EXPECT_TRUE(at::allclose(found[row], wanted[heads > 0 ? source_row(row, rows, heads) : row]))
          << name << " " << row;
  };
  check("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj", 4);
  check("blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj", 2);
  check("blk.1.attn_v.weight", "model.layers.1.self_attn.v_proj", 0);
  check("blk.1.attn_output.weight", "model.layers.1.self_attn.o_proj", 0);
}

TEST_F(GgufLora, JoinedMatricesOfPhi3StayJoined) {
  save({.rank = 4, .targets = {"all-linear"}}, kPhi);
  const GgufFile written = file();
  EXPECT_EQ(written.tensors().size(), 2u * 2u * 4u);
  EXPECT_TRUE(at::allclose(added(written, "blk.0.attn_qkv.weight"),
                           expected("model.layers.0.self_attn.qkv_proj")));
  EXPECT_TRUE(at::allclose(added(written, "blk.0.ffn_up.weight"),
                           expected("model.layers.0.mlp.gate_up_proj")));
}

TEST_F(GgufLora, RankStabilisedScaleIsInAlpha) {
  save({.variant = "rslora", .rank = 5, .alpha = 3.0, .targets = {"v_proj"}});
  const GgufFile written = file();
  EXPECT_FLOAT_EQ(alpha(written), 3.0f * std::sqrt(5.0f));
  EXPECT_TRUE(at::allclose(added(written, "blk.0.attn_v.weight"),
                           expected("model.layers.0.self_attn.v_proj")));
}

TEST_F(GgufLora, OtherRanksAndAlphasOfSingleModulesAreInTheirB) {
  lora::LoraConfig config{.rank = 4, .alpha = 8.0, .targets = {"v_proj", "up_proj", "down_proj"}};
  config.rank_pattern = {{"layers.1.self_attn.v_proj", 2}};
  config.alpha_pattern = {{"up_proj", 3.0}};
  for (const char* variant : {"lora", "rslora"}) {
    config.variant = variant;
    save(config);
    const GgufFile written = file();
    for (const auto& [name, module] :
         {std::pair{"0.attn_v", "0.self_attn.v_proj"}, std::pair{"1.attn_v", "1.self_attn.v_proj"},
          std::pair{"1.ffn_up", "1.mlp.up_proj"}, std::pair{"1.ffn_down", "1.mlp.down_proj"}})
      EXPECT_TRUE(at::allclose(added(written, "blk." + std::string(name) + ".weight"),
                               expected("model.layers." + std::string(module))))
          << variant << " " << module;
  }
}

TEST_F(GgufLora, WhatHasTheFilesAlphaKeepsItsBits) {
  save({.variant = "rslora", .rank = 3, .alpha = 0.1, .targets = {"v_proj"}});
  const GgufFile written = file();
  const auto stored = adapter();
  EXPECT_TRUE(at::equal(values(written, "blk.0.attn_v.weight.lora_b"),
                        models::borrow_tensor(stored.pairs.front().b)));
}

// llama.cpp reads an alpha of 0 as "no scale".
TEST_F(GgufLora, AnAlphaThatFloat32CannotHoldGoesIntoB) {
  save({.rank = 4, .alpha = 1e-60, .targets = {"v_proj"}});
  const GgufFile written = file();
  EXPECT_EQ(alpha(written), 1.0f);
  EXPECT_EQ(values(written, "blk.0.attn_v.weight.lora_b").abs().max().item<float>(), 0.0f);
}

TEST_F(GgufLora, PissaIsThePlainAdapterOfTwiceTheRank) {
  model_ = tiny_model(kQwen);
  const lora::LoraConfig config{.rank = 3, .alpha = 5.0, .targets = {"up_proj"}, .init = "pissa"};
  lora::attach(*model_, config, 3);
  {
    const at::NoGradGuard no_gradients;
    for (auto& [name, tensor] : models::trainable_tensors(*model_))
      tensor.add_(at::randn_like(tensor) * 0.1);
  }
  lora::save_peft(*model_, config, "base", folder_.path());
  const GgufFile written = file();
  EXPECT_EQ(values(written, "blk.0.ffn_up.weight.lora_a").size(0), 6);
  model_->for_each_linear([&](const std::string& name, models::Linear& linear) {
    if (name != "model.layers.0.mlp.up_proj") return;
    const at::Tensor base = linear.weight->dense(at::kFloat);
    EXPECT_TRUE(at::allclose(added(written, "blk.0.ffn_up.weight"),
                             linear.adapter->merged(base) - base, 1e-4, 1e-5));
  });
}

TEST_F(GgufLora, AnEmbeddingsFactorsAreTheOtherWayRound) {
  save({.rank = 4, .targets = {"q_proj"}});
  const at::Tensor a = at::randn({4, 40}), b = at::randn({16, 4});
  add_tensors({{"model.embed_tokens.lora_embedding_A", a},
               {"model.embed_tokens.lora_embedding_B", b},
               {"model.embed_tokens.base_layer.weight", at::zeros({40, 16})}});
  const GgufFile written = file();
  EXPECT_TRUE(at::equal(values(written, "token_embd.weight.lora_a"), a.t()));
  EXPECT_TRUE(at::equal(values(written, "token_embd.weight.lora_b"), b));
}

TEST_F(GgufLora, AHeadOfItsOwnIsAdapted) {
  save({.rank = 4, .targets = {"q_proj"}});
  add_tensors({{"lm_head.lora_A.weight", at::randn({4, 16})},
               {"lm_head.lora_B.weight", at::randn({40, 4})}});
  EXPECT_TRUE(at::allclose(added(file(), "output.weight"), expected("lm_head"), 1e-4, 1e-5));
}

TEST_F(GgufLora, EmbeddingOrHeadOfATiedModelIsRefused) {
  save({.rank = 4, .targets = {"q_proj"}}, kLlama, /*tied=*/true);
  add_tensors({{"lm_head.lora_A.weight", at::randn({4, 16})},
               {"lm_head.lora_B.weight", at::randn({40, 4})}});
  EXPECT_TRUE(raises("F097", {"'lm_head'", "one tensor", "target modules"}, [&] { write(); }));
  save({.rank = 4, .targets = {"q_proj"}}, kLlama, /*tied=*/true);
  add_tensors({{"model.embed_tokens.lora_embedding_A", at::randn({4, 40})},
               {"model.embed_tokens.lora_embedding_B", at::randn({16, 4})}});
  EXPECT_TRUE(raises("F097", {"'model.embed_tokens'"}, [&] { write(); }));
  EXPECT_FALSE(std::filesystem::exists(target()));
}

TEST_F(GgufLora, DoraIsRefusedWithTheWayOut) {
  save({.variant = "dora", .rank = 4, .targets = {"q_proj"}});
  EXPECT_TRUE(raises("F097", {"DoRA", "--format gguf"}, [&] { write(); }));
}

TEST_F(GgufLora, FamiliesWithoutGgufNamesAreRefused) {
  models::ModelConfig config;
  config.architecture = "MambaForCausalLM";
  EXPECT_TRUE(raises("F094", {"MambaForCausalLM"}, [&] { check_gguf_lora(config, "lora", "x"); }));
}

TEST_F(GgufLora, ANumberThatIsNotFiniteLeavesNothingBehind) {
  save({.rank = 4, .targets = {"q_proj"}});
  add_tensors({{"model.layers.1.self_attn.q_proj.lora_B.weight",
                at::full({16, 4}, std::numeric_limits<float>::infinity())}});
  EXPECT_TRUE(raises("F096", {"blk.1.attn_q.weight.lora_b", "not a finite"}, [&] { write(); }));
  EXPECT_TRUE(std::filesystem::is_empty(target().parent_path()));
}

TEST_F(GgufLora, AFolderAtTheTargetStays) {
  save({.rank = 4, .targets = {"q_proj"}});
  std::filesystem::create_directories(target());
  EXPECT_TRUE(raises("W004", {"folder"}, [&] { write(); }));
  EXPECT_TRUE(std::filesystem::is_empty(target()));
}

TEST_F(GgufLora, ReportsWhatItWrote) {
  save({.rank = 4, .targets = {"q_proj", "up_proj"}});
  const GgufLoraReport report = write();
  EXPECT_EQ(report.path, target());
  EXPECT_EQ(report.tensors, 8);
  EXPECT_EQ(report.bytes, std::filesystem::file_size(target()));
}

}  // namespace
}  // namespace slmtune::exporting
