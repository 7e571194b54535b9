#include "lora/peft_files.h"

#include "core/json.h"
#include "lora/attach.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::lora {
namespace {

using namespace slmtune::testing;

constexpr const char* kLlama = "LlamaForCausalLM";

class PeftFiles : public ::testing::Test {
 protected:
  PeftFiles() { save({.rank = 4, .alpha = 8.0, .targets = {"attention"}}); }

  void save(const LoraConfig& config) {
    auto model = tiny_model(kLlama);
    attach(*model, config, 3);
    save_peft(*model, config, "base", folder_.path());
  }
  Json config() { return read_json(folder_.path() / "adapter_config.json"); }
  LoraConfig load() {
    auto model = tiny_model(kLlama);
    return load_peft(*model, folder_.path());
  }
  // The error when `key` of adapter_config.json has `value`.
  ::testing::AssertionResult refuses(const std::string& code, const std::string& key,
                                     const Json& value) {
    Json json = config();
    json[key] = value;
    folder_.write("adapter_config.json", json.dump());
    const auto result = raises(code, {"adapter_config.json", key}, [&] { load(); });
    save({.rank = 4, .alpha = 8.0, .targets = {"attention"}});
    return result;
  }
  void rewrite_tensors(const std::function<void(std::vector<TensorSource>&)>& change) {
    std::vector<TensorSource> tensors;
    {
      const auto file = SafetensorsFile::open(folder_.path() / "adapter_model.safetensors");
      for (const auto& [name, view] : file.tensors())
        tensors.push_back(tensor_source(name, models::borrow_tensor(view).clone(), DType::kF32));
    }
    change(tensors);
    write_safetensors(folder_.path() / "adapter_model.safetensors", tensors);
  }

  TempFolder folder_;
};

TEST_F(PeftFiles, ConfigHasEveryKeyOfPeft) {
  const Json expected = Json::parse(R"({
    "alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": "base", "bias": "none",
    "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true,
    "init_lora_weights": true, "layer_replication": null, "layers_pattern": null,
    "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 8, "lora_bias": false,
    "lora_dropout": 0.0, "megatron_config": null, "megatron_core": "megatron.core",
    "modules_to_save": null, "peft_type": "LORA", "peft_version": "0.21.0", "r": 4,
    "rank_pattern": {}, "revision": null, "target_modules": ["k_proj", "o_proj", "q_proj", "v_proj"],
    "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_dora": false,
    "use_rslora": false})");
  EXPECT_EQ(config(), expected);
  EXPECT_TRUE(config().at("lora_alpha").is_number_integer());
  EXPECT_EQ(TempFolder::read(folder_.path() / "adapter_config.json"), expected.dump(2) + "\n");
}

TEST_F(PeftFiles, ConfigSaysVariantAlphaAndTargets) {
  save({.variant = "rslora", .rank = 2, .alpha = 1.5, .targets = {R"(re:.*\.(q|v)_proj)"}});
  EXPECT_EQ(config().at("use_rslora"), true);
  EXPECT_EQ(config().at("lora_alpha"), 1.5);
  EXPECT_EQ(config().at("target_modules"), R"(.*\.(q|v)_proj)");
  const LoraConfig loaded = load();
  EXPECT_EQ(loaded.variant, "rslora");
  EXPECT_EQ(loaded.alpha, 1.5);
  EXPECT_EQ(loaded.targets, std::vector<std::string>{R"(re:.*\.(q|v)_proj)"});
}

TEST_F(PeftFiles, NamesMissingFiles) {
  auto model = tiny_model(kLlama);
  EXPECT_TRUE(raises("N001", {"no-such"}, [&] { load_peft(*model, "no-such"); }));
  std::filesystem::remove(folder_.path() / "adapter_model.safetensors");
  EXPECT_TRUE(raises("N003", {"adapter_model.safetensors"}, [&] { load(); }));
  std::filesystem::remove(folder_.path() / "adapter_config.json");
  EXPECT_TRUE(raises("N003", {"adapter_config.json"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesMalformedConfigs) {
  EXPECT_TRUE(refuses("F060", "peft_type", nullptr));
  EXPECT_TRUE(refuses("F060", "r", 0));
  EXPECT_TRUE(refuses("F060", "r", "4"));
  EXPECT_TRUE(refuses("F060", "r", int64_t{1} << 40));
  EXPECT_TRUE(refuses("F060", "lora_alpha", "x"));
  EXPECT_TRUE(refuses("F060", "lora_dropout", 2.0));
  EXPECT_TRUE(refuses("F060", "use_rslora", "yes"));
  EXPECT_TRUE(refuses("F060", "use_dora", "yes"));
  EXPECT_TRUE(refuses("F060", "target_modules", {1, 2}));
  EXPECT_TRUE(refuses("F060", "rank_pattern", {1}));
  folder_.write("adapter_config.json", "[]");
  EXPECT_TRUE(raises("F060", {"adapter_config.json"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesFeaturesByName) {
  EXPECT_TRUE(refuses("F061", "bias", "all"));
  EXPECT_TRUE(refuses("F061", "modules_to_save", {"lm_head"}));
  EXPECT_TRUE(refuses("F061", "lora_bias", true));
  EXPECT_TRUE(refuses("F061", "fan_in_fan_out", true));
  EXPECT_TRUE(refuses("F061", "trainable_token_indices", {1}));
  EXPECT_TRUE(refuses("F061", "init_lora_weights", "pissa_niter_4"));
  EXPECT_TRUE(refuses("F061", "rank_pattern", {{"(q", 4}}));
  Json json = config();
  json["peft_type"] = "IA3";
  folder_.write("adapter_config.json", json.dump());
  EXPECT_TRUE(raises("F061", {"IA3"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesAnotherShapeWithBothShapes) {
  rewrite_tensors([](auto& tensors) {
    tensors[0] = tensor_source(tensors[0].name, at::zeros({4, 15}), DType::kF32);
  });
  EXPECT_TRUE(raises("F062", {"[4, 15]", "[4, 16]", "right base model"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesModulesThatTheModelLacks) {
  rewrite_tensors([](auto& tensors) {
    tensors[0].name = "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight";
  });
  EXPECT_TRUE(raises("F062", {"layers.9", "2 layers"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesTensorsThatAreNoLora) {
  rewrite_tensors([](auto& tensors) { tensors[0].name = "base_model.model.lm_head.weight"; });
  EXPECT_TRUE(raises("F061", {"lm_head.weight"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesMissingTensors) {
  rewrite_tensors([](auto& tensors) { tensors.pop_back(); });
  EXPECT_TRUE(raises("F063", {"1 tensor is missing", "v_proj.lora_B.weight"}, [&] { load(); }));
  rewrite_tensors([](auto& tensors) { tensors.clear(); });
  EXPECT_TRUE(raises("F063", {"no adapter tensors"}, [&] { load(); }));
}

TEST_F(PeftFiles, RefusesTensorsThatTheConfigDoesNotName) {
  Json json = config();
  json["target_modules"] = {"q_proj"};
  folder_.write("adapter_config.json", json.dump());
  EXPECT_TRUE(raises("F063", {"target_modules"}, [&] { load(); }));
}

TEST_F(PeftFiles, FollowsTheTensorsWhenPeftFilteredModules) {
  Json json = config();
  json["target_modules"] = "all-linear";
  json["exclude_modules"] = {"up_proj", "gate_proj", "down_proj"};
  folder_.write("adapter_config.json", json.dump());
  EXPECT_EQ(load().targets.size(), 8u);
}

TEST_F(PeftFiles, RoundTripsPatterns) {
  LoraConfig config{.rank = 4, .targets = {"q_proj"}};
  config.rank_pattern = {{"layers.1.self_attn.q_proj", 2}};
  config.alpha_pattern = {{"layers.1.self_attn.q_proj", 6.0}};
  save(config);
  const LoraConfig loaded = load();
  EXPECT_EQ(loaded.rank_pattern, config.rank_pattern);
  EXPECT_EQ(loaded.alpha_pattern, config.alpha_pattern);
}

}  // namespace
}  // namespace slmtune::lora
