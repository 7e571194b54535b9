#include "models/causal_lm.h"

#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

namespace slmtune::models {
namespace {

using namespace slmtune::testing;

constexpr const char* kLlama = "LlamaForCausalLM";

at::Tensor parameter(CausalLM& model, const std::string& wanted) {
  at::Tensor found;
  model.for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (name == wanted) found = tensor;
  });
  return found;
}

class LoadModel : public ::testing::Test {
 protected:
  // Writes the folder of a tiny model after `change` was applied to its tensors.
  void write(const std::function<void(std::vector<TensorSource>&)>& change, bool tied = false) {
    auto model = tiny_model(kLlama, at::kFloat, tied);
    write_file(folder_.path() / "config.json", model->config().json.dump());
    auto tensors = model_tensors(*model, DType::kF32);
    change(tensors);
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  }
  void load() { load_model(folder_.path(), {}); }

  TempFolder folder_;
};

TEST_F(LoadModel, GivesTheSavedWeightsBack) {
  auto saved = tiny_model(kLlama);
  write_model_folder(*saved, folder_.path());
  auto loaded = load_model(folder_.path(), {});
  saved->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    EXPECT_TRUE(at::equal(tensor, parameter(*loaded, name))) << name;
  });
}

TEST_F(LoadModel, ConvertsStoredTypes) {
  auto saved = tiny_model(kLlama);
  for (const auto& [stored, type] :
       {std::pair{DType::kBF16, at::kBFloat16}, std::pair{DType::kF16, at::kHalf}}) {
    write_model_folder(*saved, folder_.path(), stored);
    auto loaded = load_model(folder_.path(), {});
    saved->for_each_parameter([&, type = type](const std::string& name, at::Tensor& tensor) {
      EXPECT_TRUE(at::equal(tensor.to(type).to(at::kFloat), parameter(*loaded, name))) << name;
    });
  }
  auto low = load_model(folder_.path(), {.dtype = at::kBFloat16});
  EXPECT_EQ(parameter(*low, "model.norm.weight").scalar_type(), at::kBFloat16);
}

// Beside linears of fewer bits; exact, so what they compute is what their values in float32 do.
TEST_F(LoadModel, KeepsTablesAsTheirFileHasThemBesideFewerBits) {
  const Layout layout = Layout::single(9);
  const at::Tensor ids = at::arange(9, at::kLong);
  for (const std::string family : {"LlamaForCausalLM", "Gemma2ForCausalLM"})
    for (const auto& [stored, type] :
         {std::pair{DType::kBF16, at::kBFloat16}, std::pair{DType::kF16, at::kHalf}}) {
      write_model_folder(*tiny_model(family), folder_.path(), stored);
      auto narrow = load_model(folder_.path(), {.quant = "nf4"});
      auto wide = load_model(folder_.path(), {.quant = "nf4"});
      EXPECT_EQ(narrow->head().weight.scalar_type(), type);
      EXPECT_EQ(parameter(*narrow, "model.embed_tokens.weight").scalar_type(), type);
      EXPECT_EQ(parameter(*narrow, "model.norm.weight").scalar_type(), at::kFloat);
      wide->for_each_parameter(
          [](const std::string&, at::Tensor& tensor) { tensor = tensor.to(at::kFloat); });
      const at::Tensor hidden = wide->hidden(ids, layout);
      EXPECT_TRUE(at::equal(narrow->hidden(ids, layout), hidden)) << family;
      EXPECT_TRUE(at::allclose(narrow->logits(hidden), wide->logits(hidden), 1e-5, 1e-6));
    }
}

TEST_F(LoadModel, WidensTablesOtherwise) {
  const auto type = [&](const LoadOptions& options) {
    return load_model(folder_.path(), options)->head().weight.scalar_type();
  };
  write_model_folder(*tiny_model(kLlama), folder_.path(), DType::kBF16);
  EXPECT_EQ(type({}), at::kFloat);
  EXPECT_EQ(type({.dtype = at::kBFloat16, .quant = "nf4"}), at::kBFloat16);
  EXPECT_EQ(type({.dtype = at::kDouble, .quant = "int8"}), at::kBFloat16);
  write_model_folder(*tiny_model(kLlama), folder_.path(), DType::kF16);
  EXPECT_EQ(type({.dtype = at::kBFloat16, .quant = "nf4"}), at::kBFloat16);
  write_model_folder(*tiny_model(kLlama), folder_.path(), DType::kF32);
  EXPECT_EQ(type({.quant = "nf4"}), at::kFloat);
}

TEST_F(LoadModel, SurvivesTheFileBeingReplacedAfterwards) {
  auto saved = tiny_model(kLlama);
  write_model_folder(*saved, folder_.path());
  auto loaded = load_model(folder_.path(), {});
  folder_.write("model.safetensors", "");  // truncates the mapped file in place
  EXPECT_TRUE(at::equal(parameter(*loaded, "model.embed_tokens.weight"),
                        parameter(*saved, "model.embed_tokens.weight")));
}

TEST_F(LoadModel, ReportsMissingTensorsWithTheirShapes) {
  write([](auto& tensors) { tensors.erase(tensors.begin(), tensors.begin() + 2); });
  EXPECT_TRUE(raises("F013",
                     {"2 tensors are missing", "'model.embed_tokens.weight' [40, 16]",
                      "'model.layers.0.input_layernorm.weight' [16]"},
                     [&] { load(); }));
}

TEST_F(LoadModel, ReportsMisshapenTensorsWithBothShapes) {
  write([](auto& tensors) {
    tensors[0] = tensor_source("model.embed_tokens.weight", at::zeros({41, 16}), DType::kF32);
  });
  EXPECT_TRUE(raises("F053", {"'model.embed_tokens.weight' is [41, 16], expected [40, 16]"},
                     [&] { load(); }));
}

TEST_F(LoadModel, NamesFusedLayersWithBothShapes) {
  auto model = tiny_model("Phi3ForCausalLM");
  write_file(folder_.path() / "config.json", model->config().json.dump());
  auto tensors = model_tensors(*model, DType::kBF16);
  for (TensorSource& source : tensors)  // as if the keys had as many heads as the queries
    if (source.name == "model.layers.1.self_attn.qkv_proj.weight")
      source = tensor_source(source.name, at::zeros({96, 16}), DType::kBF16);
  write_safetensors(folder_.path() / "model.safetensors", tensors);
  EXPECT_TRUE(raises("F053",
                     {"'model.layers.1.self_attn.qkv_proj.weight' is [96, 16], expected [64, 16]"},
                     [&] { load(); }));
}

TEST_F(LoadModel, GivesLargeTensorsBackPieceByPiece) {
  Json json = tiny_config(kLlama, /*tied=*/true);
  json["vocab_size"] = 200'000;  // 12.8 MB of embedding: several pieces
  auto saved = init_model(ModelConfig::from_json(json, "config.json"), 3, {});
  write_model_folder(*saved, folder_.path());
  auto loaded = load_model(folder_.path(), {});
  EXPECT_TRUE(at::equal(parameter(*loaded, "model.embed_tokens.weight"),
                        parameter(*saved, "model.embed_tokens.weight")));
}

TEST_F(LoadModel, WithoutValuesIsCheckedAlikeAndTakesNoMemory) {
  write_model_folder(*tiny_model(kLlama), folder_.path());
  auto skeleton = load_skeleton(folder_.path());
  EXPECT_TRUE(parameter(*skeleton, "model.norm.weight").is_meta());
  EXPECT_EQ(count_parameters(*skeleton).total, count_parameters(*tiny_model(kLlama)).total);
  write([](auto& tensors) { tensors.pop_back(); });
  EXPECT_TRUE(raises("F013", {"1 tensor is missing"}, [&] { load_skeleton(folder_.path()); }));
  EXPECT_TRUE(raises("N004", {"no-such"}, [] { load_skeleton("no-such"); }));
}

TEST_F(LoadModel, RefusesPickledWeights) {
  write_file(folder_.path() / "config.json", tiny_config(kLlama).dump());
  folder_.write("pytorch_model.bin", "x");
  EXPECT_TRUE(raises("F015", {"pytorch_model.bin", "safe_serialization"}, [&] { load(); }));
}

TEST_F(LoadModel, ReportsUnexpectedTensors) {
  write([](auto& tensors) {
    tensors.push_back(
        tensor_source("model.layers.2.mlp.up_proj.weight", at::zeros({2, 3}), DType::kF32));
  });
  EXPECT_TRUE(raises("F054", {"1 tensor is unknown", "'model.layers.2.mlp.up_proj.weight' [2, 3]"},
                     [&] { load(); }));
}

TEST_F(LoadModel, ReportsTypesThatWeightsCannotHave) {
  write([](auto& tensors) {
    tensors[0] = tensor_source("model.embed_tokens.weight", at::zeros({40, 16}), DType::kI32);
  });
  EXPECT_TRUE(raises("F055", {"'model.embed_tokens.weight' I32"}, [&] { load(); }));
}

TEST_F(LoadModel, ReportsEveryKindAtOnce) {
  write([](auto& tensors) {
    tensors[0] = tensor_source("extra", at::zeros({1}), DType::kF32);
    tensors[1] = tensor_source(tensors[1].name, at::zeros({17}), DType::kF32);
  });
  EXPECT_TRUE(raises("F013", {"error[F013]", "error[F053]", "error[F054]"}, [&] { load(); }));
}

TEST_F(LoadModel, CutsLongLists) {
  write([](auto& tensors) { tensors.resize(1); });
  EXPECT_TRUE(raises("F013", {"more"}, [&] { load(); }));
}

TEST_F(LoadModel, IgnoresATiedHeadAndComputedBuffers) {
  write(
      [](auto& tensors) {
        tensors.push_back(tensor_source("lm_head.weight", at::zeros({40, 16}), DType::kF32));
        tensors.push_back(tensor_source("model.layers.0.self_attn.rotary_emb.inv_freq",
                                        at::zeros({2}), DType::kF32));
      },
      /*tied=*/true);
  EXPECT_NO_THROW(load());
}

TEST_F(LoadModel, AllocatesNothingByTheSizesOfConfigJson) {
  write([](auto&) {});
  Json json = tiny_config(kLlama);
  json["vocab_size"] = 1 << 22;
  json["hidden_size"] = 1 << 17;  // 2 TiB of embedding
  write_file(folder_.path() / "config.json", json.dump());
  EXPECT_TRUE(raises("F053", {"expected [4194304, 131072]"}, [&] { load(); }));
}

TEST_F(LoadModel, NamesAMissingFolder) {
  EXPECT_TRUE(raises("N004", {"no-such"}, [] { load_model("no-such", {}); }));
}

TEST_F(LoadModel, NamesAnUnknownQuantisation) {
  write([](auto&) {});
  EXPECT_TRUE(raises("R050", {"nf7"}, [&] { load_model(folder_.path(), {.quant = "nf7"}); }));
}

TEST(BorrowTensor, CopiesMisalignedBytes) {
  std::vector<std::byte> bytes(9);
  TensorView view{.name = "w", .dtype = DType::kF32, .shape = {2}, .bytes = {bytes.data() + 1, 8}};
  EXPECT_TRUE(at::equal(borrow_tensor(view), at::zeros({2})));
  view.dtype = DType::kI64;
  EXPECT_TRUE(raises("F055", {"'w'", "I64"}, [&] { borrow_tensor(view); }));
}

}  // namespace
}  // namespace slmtune::models
