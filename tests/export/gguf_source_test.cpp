// Models that went into a GGUF file and come out of it again, of every family and in every
// encoding.
#include "export/gguf/gguf_source.h"

#include <gtest/gtest.h>

#include <cstring>

#include "export/export.h"
#include "export/mixtures/mixture.h"
#include "models/causal_lm.h"
#include "tests/export/small_gguf.h"
#include "tests/support/tiny_model.h"

namespace slmtune::exporting {
namespace {

using namespace slmtune::testing;

constexpr int64_t kVocabulary = 2048;  // of the quick start's tokenizer

struct Case {
  const char* name;
  const char* architecture;
  const char* changes;  // JSON
};

// Every family, with what its files have beside plain sizes.
const Case kCases[] = {
    {"Llama", "LlamaForCausalLM", R"({"head_dim": 32, "attention_bias": true})"},
    {"LlamaWithMlpBias", "LlamaForCausalLM", R"({"mlp_bias": true})"},
    {"Llama3", "LlamaForCausalLM",
     R"({"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
         "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}})"},
    {"Llama3Published", "LlamaForCausalLM",
     R"({"rope_theta": 500000.0, "max_position_embeddings": 131072, "rope_scaling": {
         "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192}})"},
    {"Qwen2", "Qwen2ForCausalLM", R"({"rms_norm_eps": 1e-6, "rope_theta": 1000000.0})"},
    {"Qwen2Yarn", "Qwen2ForCausalLM",
     R"({"rope_scaling": {"type": "yarn", "factor": 4.0,
         "original_max_position_embeddings": 16}})"},
    {"Mistral", "MistralForCausalLM", R"({"sliding_window": null, "head_dim": 32})"},
    {"MistralLinear", "MistralForCausalLM",
     R"({"sliding_window": null, "rope_scaling": {"type": "linear", "factor": 2.0}})"},
    {"Gemma2", "Gemma2ForCausalLM",
     R"({"head_dim": 32, "query_pre_attn_scalar": 32, "tie_word_embeddings": true})"},
    {"Phi3", "Phi3ForCausalLM",
     R"({"sliding_window": null, "rope_scaling": null, "partial_rotary_factor": 1.0})"},
    {"Phi3LongRope", "Phi3ForCausalLM",
     R"({"max_position_embeddings": 64, "original_max_position_embeddings": 8})"},
};

Json config_of(const Case& one) {
  Json json = tiny_config(one.architecture);
  json.update({{"hidden_size", 256},
               {"intermediate_size", 256},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"head_dim", 64},
               {"vocab_size", kVocabulary}});
  json.update(Json::parse(one.changes));
  if (json.contains("rope_scaling") && json["rope_scaling"].contains("short_factor"))
    for (const char* factors : {"short_factor", "long_factor"}) {
      std::vector<double> values;
      for (int i = 0; i < 16; ++i) values.push_back(1.0 + 0.15 * i * (factors[0] == 'l' ? 2 : 1));
      json["rope_scaling"][factors] = values;
    }
  return json;
}

std::unique_ptr<models::CausalLM> random_model(const Case& one) {
  const auto config = models::ModelConfig::from_json(config_of(one), "config.json");
  auto model = models::init_model(config, 7, {});
  const at::NoGradGuard no_gradients;
  at::manual_seed(11);
  model->for_each_parameter([](const std::string&, at::Tensor& tensor) {
    if (tensor.dim() == 1) tensor.add_(at::randn(tensor.sizes()) * 0.3);
  });
  return model;
}

std::filesystem::path exported(models::CausalLM& model, const std::string& encoding,
                               const TempFolder& folder) {
  const auto tokens = std::filesystem::path(SLMTUNE_SOURCE_DIR) / "configs/models/tiny";
  const ModelParts parts{model.config(), model_tensors(model, DType::kF32), tokens, "tiny"};
  const auto path = folder.path() / (encoding + ".gguf");
  write_gguf_model(parts, data::Tokenizer::load(tokens), encoding, path);
  return path;
}

at::Tensor logits(models::CausalLM& model) {
  const at::NoGradGuard no_gradients;
  return model.logits(model.hidden(some_ids(17, kVocabulary), packed_layout({12, 5})));
}

std::map<std::string, at::Tensor> parameters(models::CausalLM& model) {
  std::map<std::string, at::Tensor> all;
  model.for_each_parameter(
      [&](const std::string& name, at::Tensor& tensor) { all[name] = tensor; });
  return all;
}

class GgufRoundTrip : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Every, GgufRoundTrip, ::testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(GgufRoundTrip, InFloat32TheLogitsComeBackToTheBit) {
  const TempFolder folder;
  const auto model = random_model(GetParam());
  const GgufSource source = GgufSource::open(exported(*model, "f32", folder));
  const auto again = load_gguf_model(source, {});
  EXPECT_TRUE(at::equal(logits(*again), logits(*model)));
  EXPECT_EQ(again->config().tied_embeddings, model->config().tied_embeddings);
  EXPECT_EQ(again->config().rms_norm_eps, model->config().rms_norm_eps);
  EXPECT_EQ(again->config().windows, model->config().windows);
}

TEST_P(GgufRoundTrip, WeightsAreThoseThatWereEncodedInTheFileAndDecoded) {
  const TempFolder folder;
  const auto model = random_model(GetParam());
  const GgufSource source = GgufSource::open(exported(*model, "q8_0", folder));
  const auto again = load_gguf_model(source, {});
  const auto before = parameters(*model), after = parameters(*again);
  ASSERT_EQ(before.size(), after.size());
  const Encoding& q8_0 = *find_encoding("q8_0");
  for (const auto& [name, tensor] : after) {
    at::Tensor expected = before.at(name).clone().contiguous();
    if (tensor.dim() == 2) {
      const std::span<float> values(expected.data_ptr<float>(),
                                    static_cast<size_t>(expected.numel()));
      std::vector<std::byte> bytes(values.size() / 32 * 34);
      q8_0.encode(values, expected.size(1), {}, bytes);
      q8_0.decode(bytes, values);
    }
    // Gemma's norms lie in the file as 1 + w.
    const bool is_sum = tensor.dim() == 1 && model->config().architecture == "Gemma2ForCausalLM";
    if (is_sum) expected = (expected + 1.0f) - 1.0f;
    EXPECT_TRUE(at::equal(tensor, expected)) << name;
  }
}

TEST(GgufSource, EveryMixtureIsReadAsItsBlocksDecode) {
  const auto model = random_model(kCases[0]);
  const auto before = parameters(*model);
  for (const Mixture& mixture : mixtures()) {
    const TempFolder folder;
    const GgufSource source = GgufSource::open(exported(*model, std::string(mixture.name), folder));
    const auto again = load_gguf_model(source, {});
    const auto after = parameters(*again);
    for (const GgufTensor& tensor : source.file().tensors()) {
      if (tensor.name != "blk.1.ffn_down.weight" && tensor.name != "blk.0.attn_v.weight") continue;
      const std::string name = tensor.name == "blk.1.ffn_down.weight"
                                   ? "model.layers.1.mlp.down_proj.weight"
                                   : "model.layers.0.self_attn.v_proj.weight";
      const at::Tensor& found = after.at(name);
      std::vector<float> decoded(static_cast<size_t>(found.numel()));
      find_encoding(tensor.type)->decode(source.file().data(tensor.name), decoded);
      EXPECT_EQ(0, std::memcmp(decoded.data(), found.const_data_ptr<float>(), found.nbytes()))
          << mixture.name << " " << name;
      const double error = (found - before.at(name)).norm().item<double>();
      EXPECT_LT(error / before.at(name).norm().item<double>(), 0.25) << mixture.name;
    }
    EXPECT_TRUE(at::isfinite(logits(*again)).all().item<bool>()) << mixture.name;
  }
}

TEST(GgufSource, QueryRowsOfLlamaAndTheirBiasesComeBackInTheOrderOfHalves) {
  const TempFolder folder;
  SmallGguf small;
  small.drop("blk.0.attn_q.weight");
  std::vector<float> rows(64);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i / 8);
  small.add_values("blk.0.attn_q.weight", {8, 8}, rows);
  small.add_values("blk.0.attn_q.bias", {8}, {0, 1, 2, 3, 4, 5, 6, 7});
  small.add("blk.0.attn_k.bias", {4});
  small.add("blk.0.attn_v.bias", {4});
  small.add("blk.0.attn_output.bias", {8});
  const auto model = load_gguf_model(GgufSource::open(small.write(folder)), {});
  const auto found = parameters(*model);
  // Heads of 4: the file's rows a0 b0 a1 b1 are a0 a1 b0 b1 in Hugging Face's order.
  const at::Tensor expected = at::tensor({0.f, 2.f, 1.f, 3.f, 4.f, 6.f, 5.f, 7.f});
  EXPECT_TRUE(at::equal(found.at("model.layers.0.self_attn.q_proj.bias"), expected));
  EXPECT_TRUE(at::equal(found.at("model.layers.0.self_attn.q_proj.weight").select(1, 0), expected));
}

TEST(GgufSource, WeightsAreRoundedToTheWantedTypeAndQuantisedFromIt) {
  const TempFolder folder;
  const auto path = SmallGguf(64).write(folder);
  const GgufSource source = GgufSource::open(path);
  const auto wide = parameters(*load_gguf_model(source, {}));
  const auto narrow = parameters(*load_gguf_model(source, {.dtype = at::kBFloat16}));
  for (const auto& [name, tensor] : wide)
    EXPECT_TRUE(at::equal(narrow.at(name), tensor.to(at::kBFloat16))) << name;
  const auto four_bit = load_gguf_model(source, {.quant = "nf4"});
  four_bit->for_each_linear([](const std::string& name, models::Linear& linear) {
    EXPECT_EQ(linear.weight->out_features() > 0, true) << name;
  });
  EXPECT_FALSE(parameters(*four_bit).contains("model.layers.0.mlp.up_proj.weight"));
}

TEST(GgufSource, NormsInFloat16AndAnUntiedHeadAreTaken) {
  const TempFolder folder;
  SmallGguf small;
  small.drop("output_norm.weight");
  small.add("output_norm.weight", {8}, 1);  // zeros
  small.add("output.weight", {6, 8});
  const GgufSource source = GgufSource::open(small.write(folder));
  EXPECT_FALSE(source.config().tied_embeddings);
  const auto found = parameters(*load_gguf_model(source, {}));
  EXPECT_TRUE(at::equal(found.at("model.norm.weight"), at::zeros({8})));
  EXPECT_EQ(found.at("lm_head.weight").sizes(), at::IntArrayRef({6, 8}));
}

TEST(GgufSource, TokenizerAndTemplateAreThoseOfTheFolder) {
  const TempFolder folder;
  const auto model = random_model(kCases[4]);
  const GgufFile file = GgufFile::open(exported(*model, "f16", folder));
  const data::Tokenizer tokenizer = gguf_tokenizer(file);
  const auto tokens = std::filesystem::path(SLMTUNE_SOURCE_DIR) / "configs/models/tiny";
  const data::Tokenizer original = data::Tokenizer::load(tokens);
  for (const char* text :
       {"Hello world", "<|im_start|>user\nHi<|im_end|>\n", " e\u0301 12345\n\n"}) {
    EXPECT_EQ(tokenizer.encode(text), original.encode(text)) << text;
    EXPECT_EQ(tokenizer.decode(original.encode(text), false),
              original.decode(original.encode(text), false));
  }
  EXPECT_EQ(tokenizer.size(), original.size());
  EXPECT_EQ(tokenizer.eos(), original.eos());
  EXPECT_EQ(tokenizer.stop_ids(), original.stop_ids());
  EXPECT_EQ(tokenizer.folder(), file.path());
  const std::string jinja = gguf_chat_template(file);
  EXPECT_EQ(jinja, data::chat_template_text(tokens));
  EXPECT_EQ(data::ChatTemplate::detect(jinja, "a.gguf").name,
            data::ChatTemplate::detect(tokens).name);
}

}  // namespace
}  // namespace slmtune::exporting
