#include <gtest/gtest.h>

#include "core/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::safetensors_bytes;
using testing::TempFolder;
using testing::thrown;

constexpr const char* kIndex = "model.safetensors.index.json";

std::string shard(const std::string& name) {
  return safetensors_bytes("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                           "x");
}

std::string index_of(const std::string& map) {
  return R"({"metadata":{"total_size":2},"weight_map":{)" + map + "}}";
}

std::string open_error(const TempFolder& folder) {
  std::string all = thrown([&] { TensorFolder::open(folder.path()); });
  for (size_t at; (at = all.find(folder.path().string())) != std::string::npos;)
    all.replace(at, folder.path().string().size(), "DIR");
  return all;
}

TEST(TensorFolder, ReadsASingleFile) {
  TempFolder folder;
  folder.write("model.safetensors", shard("a"));
  folder.write("consolidated.safetensors", "not looked at");
  TensorFolder weights = TensorFolder::open(folder.path());
  EXPECT_TRUE(weights.contains("a"));
  EXPECT_FALSE(weights.contains("b"));
  EXPECT_EQ(weights.at("a").bytes.size(), 1u);
}

TEST(TensorFolder, ReadsTheShardsOfAnIndex) {
  TempFolder folder;
  folder.write("model-00001-of-00002.safetensors", shard("a"));
  folder.write("model-00002-of-00002.safetensors", shard("b"));
  folder.write(
      kIndex,
      index_of(R"("a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors")"));
  EXPECT_EQ(TensorFolder::open(folder.path()).tensors().size(), 2u);
}

TEST(TensorFolder, StaysUsableWhenMoved) {
  TempFolder folder;
  folder.write("model.safetensors", shard("a"));
  TensorFolder weights = TensorFolder::open(folder.path());
  TensorFolder moved = std::move(weights);
  EXPECT_EQ(std::to_integer<char>(moved.at("a").bytes[0]), 'x');
}

TEST(TensorFolder, NamesTheMissingTensor) {
  TempFolder folder;
  folder.write("model.safetensors", shard("a"));
  TensorFolder weights = TensorFolder::open(folder.path());
  EXPECT_EQ(thrown([&] { weights.at("model.norm.weight"); }),
            "F013|" + folder.path().string() +
                ": error[F013]: tensor 'model.norm.weight' is missing\n"
                "help: check that config.json belongs to these weights");
}

TEST(TensorFolder, RefusesAMissingFolder) {
  EXPECT_EQ(thrown([] { TensorFolder::open("/nonexistent/model"); }),
            "N001|/nonexistent/model: error[N001]: no such folder\nhelp: name the model's folder");
}

TEST(TensorFolder, RefusesAFolderWithoutWeights) {
  TempFolder folder;
  EXPECT_EQ(open_error(folder),
            "N001|DIR: error[N001]: no 'model.safetensors' in this folder\n"
            "help: name the folder that holds config.json and the weights");
}

TEST(TensorFolder, RefusesPickles) {
  TempFolder folder;
  folder.write("pytorch_model.bin", "x");
  EXPECT_EQ(
      open_error(folder),
      "F015|DIR/pytorch_model.bin: error[F015]: pickled weights are not read, they can run code\n"
      "help: save the model with safe_serialization=True in transformers");
}

TEST(TensorFolder, RefusesAMissingShard) {
  TempFolder folder;
  folder.write(kIndex, index_of(R"("a":"model-1.safetensors")"));
  EXPECT_EQ(open_error(folder).substr(0, 4), "N001");
}

TEST(TensorFolder, RefusesATensorThatTheShardLacks) {
  TempFolder folder;
  folder.write("model-1.safetensors", shard("a"));
  folder.write(kIndex, index_of(R"("a":"model-1.safetensors","b":"model-1.safetensors")"));
  EXPECT_EQ(open_error(folder),
            "F014|DIR/model.safetensors.index.json: error[F014]: tensor 'b' is missing in shard "
            "'model-1.safetensors'\n"
            "help: fetch the index and all shards of one revision");
}

TEST(TensorFolder, RefusesATensorThatTheIndexLacks) {
  TempFolder folder;
  folder.write("model-1.safetensors", shard("a"));
  folder.write("model-2.safetensors", shard("b"));
  folder.write(kIndex, index_of(R"("c":"model-2.safetensors","a":"model-1.safetensors")"));
  EXPECT_EQ(open_error(folder),
            "F014|DIR/model.safetensors.index.json: error[F014]: shard 'model-2.safetensors' holds "
            "tensor 'b', "
            "which the index puts elsewhere\nhelp: fetch the index and all shards of one revision");
}

TEST(TensorFolder, RefusesTheSameTensorInTwoShards) {
  TempFolder folder;
  folder.write("model-1.safetensors", shard("a"));
  folder.write("model-2.safetensors", shard("a"));
  folder.write(kIndex, index_of(R"("a":"model-1.safetensors","b":"model-2.safetensors")"));
  EXPECT_EQ(open_error(folder).substr(0, 4), "F014");
}

TEST(TensorFolder, NeverLeavesTheFolder) {
  for (const char* name :
       {"../secret.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..\\\\x.safetensors",
        ".hidden.safetensors", "model.bin", ".safetensors", ""}) {
    TempFolder folder;
    folder.write(kIndex, index_of("\"a\":\"" + std::string(name) + "\""));
    EXPECT_EQ(open_error(folder),
              "F014|DIR/model.safetensors.index.json: error[F014]: the shard of tensor 'a' is no "
              "plain file name\n"
              "help: fetch the index file again")
        << name;
  }
}

TEST(TensorFolder, RefusesABrokenIndex) {
  for (const char* index :
       {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})"}) {
    TempFolder folder;
    folder.write(kIndex, index);
    EXPECT_EQ(open_error(folder).substr(0, 4), "F014") << index;
  }
  TempFolder folder;
  folder.write(kIndex, "{");
  EXPECT_EQ(open_error(folder).substr(0, 4), "F002");
}

}  // namespace
}  // namespace slmtune
