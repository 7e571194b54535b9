#include <gtest/gtest.h>

#include "core/error.h"
#include "core/json.h"
#include "export/export.h"
#include "tests/export/tiny_parts.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

void expect_tensors(const TinyParts& tiny, const fs::path& folder) {
  const TensorFolder weights = TensorFolder::open(folder);
  EXPECT_EQ(weights.tensors().size(), tiny.parts.tensors.size());
  for (const TensorSource& source : tiny.parts.tensors) {
    const TensorView& view = weights.at(source.name);
    EXPECT_EQ(view.shape, source.shape);
    EXPECT_EQ(view.dtype, source.dtype);
    source.fill([&](std::span<const std::byte> bytes) {
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), view.bytes.begin(), view.bytes.end()))
          << source.name;
    });
  }
}

TEST(HfFolder, HoldsWeightsConfigAndTokenizer) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM");
  write_hf_folder(tiny.parts, folder.path() / "out");
  expect_tensors(tiny, folder.path() / "out");
  EXPECT_TRUE(fs::exists(folder.path() / "out/model.safetensors"));
  EXPECT_FALSE(fs::exists(folder.path() / "out/model.safetensors.index.json"));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    EXPECT_EQ(TempFolder::read(folder.path() / "out" / name),
              TempFolder::read(tiny.parts.folder / name));
}

TEST(HfFolder, ConfigIsTheModelsOwnWithTheStoredDtype) {
  TempFolder folder;
  const TinyParts tiny("LlamaForCausalLM", {.dtype = DType::kBF16});
  write_hf_folder(tiny.parts, folder.path() / "out");
  Json expected = tiny.parts.config.json;
  expected["torch_dtype"] = "bfloat16";
  EXPECT_EQ(read_json(folder.path() / "out/config.json"), expected);
}

TEST(HfFolder, NewerConfigsKeepTheirNameOfTheDtype) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.dtype = DType::kF16});
  tiny.parts.config.json.erase("torch_dtype");
  tiny.parts.config.json["dtype"] = "bfloat16";
  write_hf_folder(tiny.parts, folder.path() / "out");
  const Json config = read_json(folder.path() / "out/config.json");
  EXPECT_EQ(config.at("dtype"), "float16");
  EXPECT_FALSE(config.contains("torch_dtype"));
}

TEST(HfFolder, LargeWeightsAreSplitIntoShardsWithAnIndex) {
  TempFolder folder;
  const TinyParts tiny("Qwen2ForCausalLM", {.tied = false});
  write_hf_folder(tiny.parts, folder.path() / "out", 100000);
  expect_tensors(tiny, folder.path() / "out");
  const Json index = read_json(folder.path() / "out/model.safetensors.index.json");
  uint64_t total = 0;
  std::set<std::string> files;
  for (const TensorSource& source : tiny.parts.tensors) {
    uint64_t bytes = 2;
    for (int64_t size : source.shape) bytes *= static_cast<uint64_t>(size);
    total += bytes;
    files.insert(index.at("weight_map").at(source.name).get<std::string>());
  }
  EXPECT_EQ(index.at("metadata").at("total_size"), total);
  EXPECT_GE(files.size(), 3u);
  for (const std::string& name : files) {
    EXPECT_NE(name.find("-of-0000" + std::to_string(files.size())), std::string::npos);
    // The embedding is larger than a shard may be and has one of its own.
    const uint64_t size = fs::file_size(folder.path() / "out" / name);
    EXPECT_TRUE(size <= 110000 || size > 200000) << name;
  }
}

TEST(HfFolder, TheHeadOfATiedModelIsStoredOnce) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM", {.tied = true});
  tiny.add("lm_head.weight", {tiny.rows, 64});
  write_hf_folder(tiny.parts, folder.path() / "out");
  EXPECT_FALSE(TensorFolder::open(folder.path() / "out").contains("lm_head.weight"));
}

void expect_cannot_create(const TinyParts& tiny, const fs::path& to) {
  try {
    write_hf_folder(tiny.parts, to);
    FAIL();
  } catch (const IoError& error) {
    EXPECT_EQ(error.code(), "W004");
  }
}

TEST(HfFolder, AFolderWithContentIsNotTouched) {
  TempFolder folder;
  folder.write("out/notes.txt", "mine");
  expect_cannot_create(TinyParts("LlamaForCausalLM"), folder.path() / "out");
  EXPECT_EQ(TempFolder::read(folder.path() / "out/notes.txt"), "mine");
  EXPECT_FALSE(fs::exists(folder.path() / "out/config.json"));
}

TEST(HfFolder, AFileAtTheTargetIsNotTouched) {
  TempFolder folder;
  folder.write("out", "mine");
  expect_cannot_create(TinyParts("LlamaForCausalLM"), folder.path() / "out");
  EXPECT_EQ(TempFolder::read(folder.path() / "out"), "mine");
}

TEST(HfFolder, AnEmptyFolderIsFilled) {
  TempFolder folder;
  fs::create_directory(folder.path() / "out");
  const TinyParts tiny("LlamaForCausalLM");
  write_hf_folder(tiny.parts, folder.path() / "out/");
  expect_tensors(tiny, folder.path() / "out");
}

TEST(HfFolder, AFailureLeavesNothingBehind) {
  TempFolder folder;
  TinyParts tiny("LlamaForCausalLM");
  tiny.parts.tensors.back().fill = [](const auto&) { throw std::runtime_error("stopped"); };
  EXPECT_THROW(write_hf_folder(tiny.parts, folder.path() / "out"), std::runtime_error);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(HfFolder, WhatADeadProcessLeftIsRemoved) {
  TempFolder folder;
  folder.write(".out.staging-2147483646/model.safetensors", "half");
  folder.write(".out.staging-1/keep", "of a living process");
  write_hf_folder(TinyParts("LlamaForCausalLM").parts, folder.path() / "out");
  EXPECT_FALSE(fs::exists(folder.path() / ".out.staging-2147483646"));
  EXPECT_TRUE(fs::exists(folder.path() / ".out.staging-1/keep"));
}

}  // namespace
}  // namespace slmtune::exporting
