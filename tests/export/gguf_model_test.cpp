#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "core/error.h"
#include "export/export.h"
#include "export/importance/importance_matrix.h"
#include "export/mixtures/mixture.h"
#include "models/families/family.h"
#include "tests/export/gguf_values.h"
#include "tests/export/tiny_parts.h"
#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::raises;
using testing::TempFolder;

GgufFile exported(const TinyParts& tiny, const std::string& encoding, const TempFolder& folder) {
  write_gguf_model(tiny.parts, tiny.tokenizer(), encoding, folder.path() / "a.gguf");
  return GgufFile::open(folder.path() / "a.gguf");
}

TEST(GgufModel, StoresF16WeightsExactly) {
  for (const char* architecture : {"LlamaForCausalLM", "Qwen2ForCausalLM"}) {
    TempFolder folder;
    const TinyParts tiny(architecture, {.tied = false});
    const GgufReport report =
        write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", folder.path() / "a.gguf");
    EXPECT_EQ(report.worst_error, 0.0);
    EXPECT_EQ(report.tensors, static_cast<int64_t>(tiny.parts.tensors.size()));
    EXPECT_EQ(report.bytes, std::filesystem::file_size(report.path));
    EXPECT_TRUE(report.fallbacks.empty());
    EXPECT_EQ(report.checked.size(), tiny.parts.tensors.size());
    const GgufFile file = GgufFile::open(report.path);
    EXPECT_EQ(decoded(file, "blk.1.ffn_down.weight"),
              tiny.values.at("model.layers.1.mlp.down_proj.weight"));
    EXPECT_EQ(decoded(file, "output_norm.weight"), tiny.values.at("model.norm.weight"));
  }
}

TEST(GgufModel, EveryMixtureStaysWithinTheBoundsOfItsEncodings) {
  for (const Mixture& mixture : mixtures()) {
    TempFolder folder;
    const TinyParts tiny("Qwen2ForCausalLM", {.dtype = DType::kF32});
    const GgufReport report = write_gguf_model(tiny.parts, tiny.tokenizer(),
                                               std::string(mixture.name), folder.path() / "a.gguf");
    for (const CheckedTensor& checked : report.checked)
      EXPECT_LE(checked.worst, find_encoding(checked.encoding)->error_bound(1.0)) << mixture.name;
    const GgufFile file = GgufFile::open(report.path);
    EXPECT_EQ(value_of<uint32_t>(file, "general.file_type"), mixture.file_type);
  }
}

TEST(GgufModel, ReordersQueryRowsOfLlamaOnly) {
  TempFolder folder;
  const TinyParts llama("LlamaForCausalLM");
  const GgufFile file = exported(llama, "f16", folder);
  const auto stored = decoded(file, "blk.0.attn_q.weight");
  const auto& source = llama.values.at("model.layers.0.self_attn.q_proj.weight");
  // Heads of 16 rows: file row 1 is row 8 of the source, row 2 is row 1.
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(stored[64 + i], source[8 * 64 + i]);
    EXPECT_EQ(stored[128 + i], source[64 + i]);
  }
  EXPECT_EQ(decoded(file, "blk.0.attn_v.weight"),
            llama.values.at("model.layers.0.self_attn.v_proj.weight"));
  const TinyParts qwen("Qwen2ForCausalLM");
  EXPECT_EQ(decoded(exported(qwen, "f16", folder), "blk.0.attn_q.weight"),
            qwen.values.at("model.layers.0.self_attn.q_proj.weight"));
}

TEST(GgufModel, WritesTheKeysOfLlamaInTheirTypes) {
  TempFolder folder;
  const GgufFile file = exported(TinyParts("LlamaForCausalLM"), "f16", folder);
  EXPECT_EQ(value_of<std::string>(file, "general.architecture"), "llama");
  EXPECT_EQ(value_of<std::string>(file, "general.type"), "model");
  EXPECT_EQ(value_of<uint32_t>(file, "general.quantization_version"), 2u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.context_length"), 256u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.embedding_length"), 64u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.block_count"), 2u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.feed_forward_length"), 96u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.attention.head_count"), 4u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.attention.head_count_kv"), 2u);
  EXPECT_EQ(value_of<float>(file, "llama.attention.layer_norm_rms_epsilon"), 1e-6f);
  EXPECT_EQ(value_of<float>(file, "llama.rope.freq_base"), 10000.0f);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.rope.dimension_count"), 16u);
  EXPECT_EQ(value_of<uint32_t>(file, "llama.vocab_size"), 2048u);
}

TEST(GgufModel, Qwen2HasNoRopeDimensionKey) {
  TempFolder folder;
  const GgufFile file = exported(TinyParts("Qwen2ForCausalLM"), "f16", folder);
  EXPECT_EQ(value_of<uint32_t>(file, "qwen2.block_count"), 2u);
  EXPECT_EQ(file.metadata().count("qwen2.rope.dimension_count"), 0u);
  EXPECT_EQ(file.metadata().count("qwen2.vocab_size"), 0u);
}

TEST(GgufModel, Llama3ScalingBecomesATensor) {
  TempFolder folder;
  const GgufFile file = exported(TinyParts("LlamaForCausalLM", {.rope = "llama3"}), "q8_0", folder);
  const auto factors = decoded(file, "rope_freqs.weight");
  ASSERT_EQ(factors.size(), 8u);
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 8.0f);
  EXPECT_EQ(file.metadata().count("llama.rope.scaling.type"), 0u);
}

TEST(GgufModel, WritesTheTokenizerAndTheTemplateVerbatim) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM");
  const data::Tokenizer tokenizer = tiny.tokenizer();
  const GgufFile file = exported(tiny, "f16", folder);
  EXPECT_EQ(value_of<std::string>(file, "tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(value_of<std::string>(file, "tokenizer.ggml.pre"), "qwen2");
  const auto tokens = value_of<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 2048u);
  EXPECT_EQ(tokens[2], "<|im_end|>");
  const auto types = value_of<std::vector<int32_t>>(file, "tokenizer.ggml.token_type");
  EXPECT_EQ(types[2], 3);
  EXPECT_EQ(types[3], 1);
  EXPECT_EQ(value_of<std::vector<std::string>>(file, "tokenizer.ggml.merges"), tokenizer.merges());
  EXPECT_EQ(value_of<uint32_t>(file, "tokenizer.ggml.eos_token_id"), 2u);
  EXPECT_EQ(value_of<uint32_t>(file, "tokenizer.ggml.eot_token_id"), 2u);
  EXPECT_EQ(value_of<uint32_t>(file, "tokenizer.ggml.padding_token_id"), 0u);
  EXPECT_EQ(value_of<uint32_t>(file, "tokenizer.ggml.bos_token_id"), 0u);
  EXPECT_FALSE(value_of<bool>(file, "tokenizer.ggml.add_bos_token"));
  EXPECT_EQ(value_of<std::string>(file, "tokenizer.chat_template"),
            read_json(tiny.parts.folder / "tokenizer_config.json").at("chat_template"));
}

TEST(GgufModel, EmbeddingRowsWithoutATokenBecomeUnusedPads) {
  TempFolder folder;
  const GgufFile file = exported(TinyParts("LlamaForCausalLM", {.rows = 2080}), "f16", folder);
  const auto tokens = value_of<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  const auto types = value_of<std::vector<int32_t>>(file, "tokenizer.ggml.token_type");
  ASSERT_EQ(tokens.size(), 2080u);
  EXPECT_EQ(tokens[2079], "[PAD2079]");
  EXPECT_EQ(types[2079], 5);
  EXPECT_EQ(types[2047], 1);
}

TEST(GgufModel, FewerRowsThanTokensAreRefused) {
  TempFolder folder;
  EXPECT_TRUE(raises(
      "F094", {}, [&] { exported(TinyParts("LlamaForCausalLM", {.rows = 2016}), "f16", folder); }));
}

TEST(GgufModel, AHeadOfAnotherHeightThanTheEmbeddingIsRefused) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.tied = true});
  tiny.parts.config.tied_embeddings = false;
  tiny.add("lm_head.weight", {2050, 64});
  EXPECT_TRUE(raises("F094", {}, [&] { exported(tiny, "f16", folder); }));
}

TEST(GgufModel, AFamilyThatGgufDoesNotKnowIsRefused) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM");
  tiny.parts.config.architecture = "OtherForCausalLM";
  EXPECT_TRUE(raises("F094", {}, [&] { exported(tiny, "f16", folder); }));
}

TEST(GgufModel, AnUnknownEncodingListsTheKnownOnes) {
  TempFolder folder;
  EXPECT_TRUE(raises("R070", {"'q3'", "'q8_0'"},
                     [&] { exported(TinyParts("LlamaForCausalLM"), "q3", folder); }));
}

TEST(GgufModel, SaysWhichMatricesFellBackToF16) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM", {.intermediate = 80});
  const GgufReport report =
      write_gguf_model(tiny.parts, tiny.tokenizer(), "q8_0", folder.path() / "a.gguf");
  EXPECT_EQ(report.fallbacks.at("f16"),
            (std::vector<std::string>{"blk.0.ffn_down.weight", "blk.1.ffn_down.weight"}));
  EXPECT_EQ(report.fallbacks.size(), 1u);
}

// One value of the first matrix replaced.
TinyParts with_value(float value) {
  TinyParts tiny("LlamaForCausalLM", {.dtype = DType::kF32});
  TensorSource& source = tiny.parts.tensors.front();
  source.fill = [fill = source.fill, value](const auto& write) {
    fill([&](std::span<const std::byte> bytes) {
      std::vector<std::byte> changed(bytes.begin(), bytes.end());
      std::memcpy(changed.data() + 400, &value, sizeof value);
      write(changed);
    });
  };
  return tiny;
}

TEST(GgufModel, AValueTooLargeForTheEncodingLeavesNoFile) {
  TempFolder folder;
  EXPECT_TRUE(raises("F096", {}, [&] { exported(with_value(1e5f), "f16", folder); }));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_NO_THROW(exported(with_value(1e5f), "bf16", folder));
}

TEST(GgufModel, AValueThatIsNotFiniteIsRefusedInEveryEncoding) {
  TempFolder folder;
  for (const Mixture& mixture : mixtures()) {
    const std::string name(mixture.name);
    EXPECT_TRUE(raises("F096", {}, [&] {
      exported(with_value(std::numeric_limits<float>::quiet_NaN()), name, folder);
    }));
    EXPECT_TRUE(raises("F096", {}, [&] {
      exported(with_value(-std::numeric_limits<float>::infinity()), name, folder);
    }));
  }
}

TEST(GgufModel, ASourceThatFailsLeavesTheOldFile) {
  TempFolder folder;
  folder.write("a.gguf", "old");
  TinyParts tiny("LlamaForCausalLM");
  tiny.parts.tensors.back().fill = [](const auto&) {
    throw FileFormatError("F012", "model.safetensors", "ends too early");
  };
  EXPECT_TRUE(raises("F012", {}, [&] { exported(tiny, "f16", folder); }));
  EXPECT_EQ(TempFolder::read(folder.path() / "a.gguf"), "old");
}

TEST(GgufModel, ColumnsOfImportanceChangeTheRoundingAndAreNamedInTheFile) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM", {.dtype = DType::kF32});
  ImportanceMatrix matrix;
  const GgufFile plain = exported(tiny, "q4_0", folder);
  for (const GgufTensor& tensor : plain.tensors()) {
    if (tensor.shape.size() != 2 || tensor.name == "token_embd.weight") continue;
    std::vector<float> sums(static_cast<size_t>(tensor.shape.back()), 1.0f);
    sums[3] = 1000.0f;
    matrix.entries[tensor.name] = {sums, 1};
  }
  const auto to = folder.path() / "weighted.gguf";
  write_gguf_model(tiny.parts, tiny.tokenizer(), "q4_0", to, &matrix);
  const GgufFile weighted = GgufFile::open(to);
  EXPECT_EQ(value_of<uint32_t>(weighted, "quantize.imatrix.entries_count"), 14u);
  const auto error_of_column = [&](const GgufFile& file) {
    const auto stored = decoded(file, "blk.0.ffn_up.weight");
    const auto& source = tiny.values.at("model.layers.0.mlp.up_proj.weight");
    double sum = 0.0;
    for (size_t i = 3; i < stored.size(); i += 64) sum += std::pow(stored[i] - source[i], 2);
    return sum;
  };
  EXPECT_LT(error_of_column(weighted), 0.5 * error_of_column(plain));
  matrix.entries.erase("blk.1.ffn_up.weight");
  EXPECT_TRUE(raises("F111", {}, [&] {
    write_gguf_model(tiny.parts, tiny.tokenizer(), "q4_0", folder.path() / "no.gguf", &matrix);
  }));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "no.gguf"));
}

// The quick start's tokenizer with changes, as the folder of `tiny`.
void change_tokenizer(TinyParts& tiny, const TempFolder& folder,
                      const std::function<void(Json& tokenizer, Json& config)>& change) {
  Json tokenizer = read_json(tiny.parts.folder / "tokenizer.json");
  Json config = read_json(tiny.parts.folder / "tokenizer_config.json");
  change(tokenizer, config);
  folder.write("model/tokenizer.json", tokenizer.dump());
  folder.write("model/tokenizer_config.json", config.dump());
  tiny.parts.folder = folder.path() / "model";
}

TEST(GgufModel, TwoTokensOfOneTextAreRefused) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.rows = 2080});
  change_tokenizer(tiny, folder, [](Json& tokenizer, Json&) {
    Json extra = tokenizer["added_tokens"][0];
    extra["id"] = 2048;
    extra["content"] = "[PAD2060]";  // also the text of an unused row
    tokenizer["added_tokens"].push_back(extra);
  });
  EXPECT_TRUE(raises("F094", {}, [&] { exported(tiny, "f16", folder); }));
}

TEST(GgufModel, ASplitThatLlamaCppDoesNotNameIsRefused) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM");
  change_tokenizer(tiny, folder, [](Json& tokenizer, Json&) {
    tokenizer["pre_tokenizer"] = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  });
  EXPECT_TRUE(raises("F094", {}, [&] { exported(tiny, "f16", folder); }));
}

TEST(GgufModel, ATokenizerWithoutAnEndTokenIsRefused) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM");
  change_tokenizer(tiny, folder, [](Json& tokenizer, Json& config) {
    for (Json& token : tokenizer["added_tokens"]) {
      const std::string old = token["content"], changed = "<mark" + token["id"].dump() + ">";
      tokenizer["model"]["vocab"][changed] = token["id"];
      tokenizer["model"]["vocab"].erase(old);
      token["content"] = changed;
    }
    config = Json::object();
  });
  EXPECT_TRUE(raises("F094", {}, [&] { exported(tiny, "f16", folder); }));
}

TEST(GgufModel, AddedTokensThatAreNotMarksAreUserDefined) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.rows = 2080});
  change_tokenizer(tiny, folder, [](Json& tokenizer, Json&) {
    int id = 2048;
    for (const char* text : {"<tool_call>", "<|fim_pad|>"}) {
      Json extra = tokenizer["added_tokens"][0];
      extra["id"] = id++;
      extra["content"] = text;
      extra["special"] = false;
      tokenizer["added_tokens"].push_back(extra);
    }
  });
  const GgufFile file = exported(tiny, "f16", folder);
  const auto types = value_of<std::vector<int32_t>>(file, "tokenizer.ggml.token_type");
  EXPECT_EQ(types[2048], 4);
  EXPECT_EQ(types[2049], 3);
}

TEST(GgufModel, SpacesInsideAMergeBecomeLettersOfTheByteAlphabet) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.rows = 2080});
  change_tokenizer(tiny, folder, [](Json& tokenizer, Json&) {
    tokenizer["model"]["vocab"]["a b"] = 2048;
    tokenizer["model"]["vocab"]["a bc"] = 2049;
    tokenizer["model"]["merges"].push_back({"a b", "c"});
  });
  const GgufFile file = exported(tiny, "f16", folder);
  EXPECT_EQ(value_of<std::vector<std::string>>(file, "tokenizer.ggml.merges").back(), "a\u0120b c");
}

TEST(GgufModel, AFolderAtTheTargetIsRefused) {
  TempFolder folder;
  std::filesystem::create_directory(folder.path() / "a.gguf");
  EXPECT_TRUE(raises("W004", {}, [&] { exported(TinyParts("LlamaForCausalLM"), "f16", folder); }));
}

// So it can be made again on a disk that the leftover fills.
TEST(GgufModel, WhatAKilledExportLeftIsGoneBeforeRoomIsAskedFor) {
  TempFolder folder;
  folder.write(".a.gguf.unverified", "whole, but nobody's");
  TinyParts tiny("LlamaForCausalLM");
  for (TensorSource& source : tiny.parts.tensors)
    if (source.name.ends_with("up_proj.weight")) source.shape.front() = int64_t{1} << 50;
  EXPECT_TRUE(raises("W002", {"the export needs"}, [&] { exported(tiny, "f16", folder); }));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufModel, MakesTheFolderOfTheFile) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM");
  write_gguf_model(tiny.parts, tiny.tokenizer(), "f16", folder.path() / "exports/0042/a.gguf");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "exports/0042/a.gguf"));
}

}  // namespace
}  // namespace slmtune::exporting
