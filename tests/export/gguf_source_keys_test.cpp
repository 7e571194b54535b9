// What a GGUF file may leave out, and what it may not say.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "export/gguf/gguf_source.h"
#include "tests/export/small_gguf.h"
#include "tests/support/raises.h"

namespace slmtune::exporting {
namespace {

using namespace slmtune::testing;
using Change = std::function<void(SmallGguf&)>;

models::ModelConfig config_of(const Change& change) {
  const TempFolder folder;
  SmallGguf small;
  change(small);
  return GgufSource::open(small.write(folder)).config();
}

::testing::AssertionResult refused(const char* code, const char* part, const Change& change) {
  const TempFolder folder;
  SmallGguf small;
  change(small);
  return raises(code, {"a.gguf", part}, [&] {
    const GgufSource source = GgufSource::open(small.write(folder));
    gguf_tokenizer(source.file());
  });
}

Change with(const std::string& key, GgufValue value) {
  return [=](SmallGguf& small) { small.set(key, value); };
}

Change without(const std::string& key) {
  return [=](SmallGguf& small) { small.remove(key); };
}

TEST(GgufSourceKeys, AFileOfTheLeastKeysIsAModel) {
  const auto config = config_of([](SmallGguf&) {});
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden_size, 8);
  EXPECT_EQ(config.head_dim, 4);
  EXPECT_EQ(config.rotary_dim, 4);
  EXPECT_EQ(config.kv_heads, 1);
  EXPECT_EQ(config.vocab_size, 6);
  EXPECT_EQ(config.max_positions, 32);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.rope.type, "default");
  EXPECT_EQ(config.rms_norm_eps, 1e-5);  // and not what a float32 makes of it
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_FALSE(config.attention_bias);
  EXPECT_EQ(config.eos_ids, (std::vector<int32_t>{4}));
}

TEST(GgufSourceKeys, CountsOfAnyWidthAndBothFormsOfScalingAreRead) {
  EXPECT_EQ(config_of(with("llama.block_count", uint64_t{1})).layers, 1);
  EXPECT_EQ(config_of(with("llama.block_count", int32_t{1})).layers, 1);
  EXPECT_EQ(config_of(with("llama.rope.freq_base", 500000.0f)).rope_theta, 500000.0);
  EXPECT_EQ(config_of(with("llama.rope.scale_linear", 2.0f)).rope.factor, 2.0);
  const auto linear = config_of(with("llama.rope.scaling.factor", 4.0f));
  EXPECT_EQ(linear.rope.type, "linear");
  EXPECT_EQ(linear.rope.factor, 4.0);
  EXPECT_EQ(config_of(with("llama.rope.scaling.factor", 1.0f)).rope.type, "default");
  const auto yarn = config_of([](SmallGguf& small) {
    small.set("llama.rope.scaling.type", std::string("yarn"));
    small.set("llama.rope.scaling.factor", 4.0f);
    small.set("llama.rope.scaling.original_context_length", uint32_t{8});
    small.set("llama.rope.scaling.attn_factor", 2.0f);
  });
  EXPECT_EQ(yarn.rope.type, "yarn");
  EXPECT_EQ(yarn.rope.original_max_positions, 8);
  EXPECT_NEAR(yarn.rope.attention_factor, 2.0 * (0.1 * std::log(4.0) + 1.0), 1e-12);
}

TEST(GgufSourceKeys, FactorsThatAllAreOneChangeNothing) {
  const auto config = config_of([](SmallGguf& small) {
    small.add_values("rope_freqs.weight", {2}, {1.0f, 1.0f});
  });
  EXPECT_EQ(config.rope.type, "default");
}

TEST(GgufSourceKeys, MissingKeysAreNamed) {
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.block_count",
                          "llama.feed_forward_length", "llama.attention.head_count",
                          "llama.attention.layer_norm_rms_epsilon", "general.architecture",
                          "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens"})
    EXPECT_TRUE(refused("F100", key, without(key))) << key;
}

TEST(GgufSourceKeys, KeysOfAnotherKindAreNamed) {
  const std::string text = "x";
  EXPECT_TRUE(refused("F100", "'general.architecture' is of another kind than a text",
                      with("general.architecture", uint32_t{1})));
  EXPECT_TRUE(refused("F100", "'llama.block_count' is of another kind than a whole number",
                      with("llama.block_count", 1.0f)));
  EXPECT_TRUE(refused("F100", "'llama.block_count'", with("llama.block_count", true)));
  EXPECT_TRUE(refused("F100", "'llama.rope.freq_base' is of another kind than a number",
                      with("llama.rope.freq_base", text)));
  EXPECT_TRUE(refused("F100", "'tokenizer.ggml.tokens' is of another kind than a list of texts",
                      with("tokenizer.ggml.tokens", std::vector<int32_t>{1})));
  EXPECT_TRUE(refused("F100", "'tokenizer.ggml.token_type' is of another kind",
                      with("tokenizer.ggml.token_type", std::vector<float>{1})));
  EXPECT_TRUE(refused("F100", "'tokenizer.ggml.scores' is of another kind",
                      with("tokenizer.ggml.scores", std::vector<int32_t>{1})));
  EXPECT_TRUE(refused("F100",
                      "'tokenizer.ggml.add_bos_token' is of another kind than true or false",
                      with("tokenizer.ggml.add_bos_token", uint32_t{1})));
}

TEST(GgufSourceKeys, NumbersOutOfRangeAreNamed) {
  EXPECT_TRUE(refused("F100", "'llama.block_count' is 0", with("llama.block_count", uint32_t{0})));
  EXPECT_TRUE(refused("F100", "'llama.block_count' is -1", with("llama.block_count", int32_t{-1})));
  EXPECT_TRUE(refused("F100", "'llama.block_count' is 18446744073709551615",
                      with("llama.block_count", std::numeric_limits<uint64_t>::max())));
  EXPECT_TRUE(refused("F052", "'llama.block_count' is 100000",
                      with("llama.block_count", uint32_t{100000})));
  EXPECT_TRUE(refused("F052",
                      "'llama.attention.head_count' (2) is not a multiple of "
                      "'llama.attention.head_count_kv'",
                      with("llama.attention.head_count_kv", uint32_t{3})));
  EXPECT_TRUE(refused("F052", "'llama.attention.layer_norm_rms_epsilon'",
                      with("llama.attention.layer_norm_rms_epsilon", -1.0f)));
  EXPECT_TRUE(refused("F100", "not a finite number",
                      with("llama.rope.freq_base", std::numeric_limits<float>::infinity())));
  EXPECT_TRUE(refused("F100", "'llama.rope.scaling.factor' is out of range",
                      with("llama.rope.scaling.factor", 1e30f)));
  EXPECT_TRUE(refused("F100", "'llama.attention.key_length' is missing",
                      with("llama.attention.head_count", uint32_t{3})));
  EXPECT_TRUE(refused("F100", "'llama.attention.value_length'",
                      with("llama.attention.value_length", uint32_t{2})));
  EXPECT_TRUE(refused("F100", "'llama.rope.dimension_count' is 2; expected 4",
                      with("llama.rope.dimension_count", uint32_t{2})));
  EXPECT_TRUE(refused("F100", "'llama.rope.scaling.type' is 'su'",
                      with("llama.rope.scaling.type", std::string("su"))));
}

TEST(GgufSourceKeys, OtherThingsThanDenseModelsAreRefused) {
  EXPECT_TRUE(refused("F101", "architecture 'mamba' is not supported",
                      with("general.architecture", std::string("mamba"))));
  EXPECT_TRUE(
      refused("F100", "'general.type' is 'adapter'", with("general.type", std::string("adapter"))));
  EXPECT_TRUE(refused("F100", "'split.count'", with("split.count", uint32_t{3})));
  EXPECT_TRUE(refused("F101", "several experts", with("llama.expert_count", uint32_t{8})));
}

TEST(GgufSourceKeys, TensorsMustBeThoseThatTheKeysSay) {
  EXPECT_TRUE(refused("F013", "'token_embd.weight'",
                      [](SmallGguf& small) { small.drop("token_embd.weight"); }));
  EXPECT_TRUE(refused("F013", "'blk.0.ffn_up.weight' [16, 8]",
                      [](SmallGguf& small) { small.drop("blk.0.ffn_up.weight"); }));
  EXPECT_TRUE(refused("F013", "'blk.1.", with("llama.block_count", uint32_t{2})));
  EXPECT_TRUE(refused("F053", "'blk.0.attn_v.weight' is [4, 8], but the keys say [8, 8]",
                      [](SmallGguf& small) {
                        small.set("llama.attention.head_count_kv", uint32_t{2});
                        small.drop("blk.0.attn_k.weight");
                        small.add("blk.0.attn_k.weight", {8, 8});
                      }));
  EXPECT_TRUE(refused("F054", "'blk.0.attn_sinks.weight' is unknown",
                      [](SmallGguf& small) { small.add("blk.0.attn_sinks.weight", {2}); }));
  EXPECT_TRUE(refused("F013", "'blk.0.attn_k.bias' [4]",
                      [](SmallGguf& small) { small.add("blk.0.attn_q.bias", {8}); }));
}

TEST(GgufSourceKeys, AnEncodingThatNobodyDecodesIsNamed) {
  const TempFolder folder;
  SmallGguf small(256);
  small.add("output.weight", {6, 256}, 17);
  EXPECT_TRUE(raises("F101", {"'output.weight' is stored as IQ2_XS", "it decodes f32"},
                     [&] { GgufSource::open(small.write(folder)); }));
}

TEST(GgufSourceKeys, RopeFactorsMustMeanSomething) {
  const auto factors = [](std::vector<float> values) -> Change {
    return [=](SmallGguf& small) {
      small.add_values("rope_freqs.weight", {static_cast<int64_t>(values.size())}, values);
    };
  };
  EXPECT_TRUE(refused("F052", "no number above 0", factors({1.0f, -2.0f})));
  EXPECT_TRUE(refused("F052", "no number above 0", factors({1.0f, NAN})));
  EXPECT_TRUE(refused("F051", "'rope_freqs.weight'", factors({8.0f, 1.0f})));
  EXPECT_TRUE(refused("F053", "'rope_freqs.weight' is no list of numbers", [](SmallGguf& small) {
    small.add("rope_freqs.weight", {2, 2});
  }));
}

TEST(GgufSourceKeys, OnlyFilesThatStartAsGgufOrAreNamedSoAreGguf) {
  const TempFolder folder;
  const auto path = SmallGguf().write(folder);
  EXPECT_TRUE(is_gguf(path));
  std::filesystem::copy_file(path, folder.path() / "sha256-0123");
  EXPECT_TRUE(is_gguf(folder.path() / "sha256-0123"));
  EXPECT_TRUE(is_gguf(folder.write("broken.gguf", "no")));
  EXPECT_FALSE(is_gguf(folder.write("a.bin", "GG")));
  EXPECT_FALSE(is_gguf(folder.path()));
  EXPECT_FALSE(is_gguf(folder.path() / "absent.gguf"));
}

}  // namespace
}  // namespace slmtune::exporting
