#include "core/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::safetensors_bytes;
using testing::TempFolder;
using testing::thrown_code;

TensorSource floats(const std::string& name, std::vector<int64_t> shape,
                    std::vector<float> values) {
  return {name, DType::kF32, std::move(shape),
          [values](const auto& write) { write(std::as_bytes(std::span(values))); }};
}

TEST(Safetensors, ReadsWhatItWrote) {
  TempFolder folder;
  auto path = folder.path() / "a.safetensors";
  write_safetensors(
      path, {floats("b", {2, 2}, {1, 2, 3, 4}), floats("a", {}, {5}), floats("empty", {0, 7}, {})},
      {{"note", "ü\"\n"}});
  SafetensorsFile file = SafetensorsFile::open(path);
  ASSERT_EQ(file.tensors().size(), 3u);
  const TensorView& b = file.tensors().at("b");
  EXPECT_EQ(b.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(b.elements(), 4u);
  float values[4];
  ASSERT_EQ(b.bytes.size(), sizeof(values));
  std::memcpy(values, b.bytes.data(), sizeof(values));
  EXPECT_EQ(values[3], 4.0f);
  EXPECT_EQ(file.tensors().at("a").elements(), 1u);
  EXPECT_TRUE(file.tensors().at("empty").bytes.empty());
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.metadata().at("note"), "ü\"\n");
}

TEST(Safetensors, DataStartsAtAMultipleOfEight) {
  TempFolder folder;
  for (size_t length = 1; length < 9; ++length) {
    auto path = folder.path() / "a";
    write_safetensors(path, {floats(std::string(length, 'n'), {1}, {1})});
    EXPECT_EQ(static_cast<unsigned char>(TempFolder::read(path)[0]) % 8, 0);
  }
}

TEST(Safetensors, ASourceOfTheWrongSizeLeavesNoFile) {
  TempFolder folder;
  auto path = folder.path() / "a.safetensors";
  EXPECT_EQ(thrown_code([&] { write_safetensors(path, {floats("a", {3}, {1, 2})}); }), "X001");
  EXPECT_EQ(thrown_code([&] {
              write_safetensors(path, {floats("a", {1}, {1}), floats("a", {1}, {1})});
            }),
            "X001");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Safetensors, AFileWithoutTensorsIsLegal) {
  TempFolder folder;
  EXPECT_TRUE(SafetensorsFile::open(folder.write("a", safetensors_bytes("{}"))).tensors().empty());
}

TEST(Safetensors, ReadsEveryDtype) {
  TempFolder folder;
  for (int i = 0; i <= static_cast<int>(DType::kF64); ++i) {
    DType dtype = static_cast<DType>(i);
    uint64_t bytes = dtype_bytes(dtype);
    std::string header = "{\"a\":{\"dtype\":\"" + std::string(dtype_name(dtype)) +
                         "\",\"shape\":[1],\"data_offsets\":[0," + std::to_string(bytes) + "]}}";
    auto path = folder.write("a", safetensors_bytes(header, std::string(bytes, 'x')));
    EXPECT_EQ(SafetensorsFile::open(path).tensors().at("a").dtype, dtype);
  }
}

TEST(Safetensors, OrderOfTheHeaderDoesNotMatter) {
  TempFolder folder;
  std::string header =
      R"({"z":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   )";
  SafetensorsFile file = SafetensorsFile::open(folder.write("a", safetensors_bytes(header, "xyz")));
  EXPECT_EQ(std::to_integer<char>(file.tensors().at("z").bytes[0]), 'y');
}

TEST(Safetensors, EmptyTensorsMayShareAPlace) {
  TempFolder folder;
  std::string header =
      R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
      R"("c":{"dtype":"F32","shape":[7,0,9],"data_offsets":[1,1]}})";
  EXPECT_EQ(
      SafetensorsFile::open(folder.write("a", safetensors_bytes(header, "x"))).tensors().size(),
      3u);
}

}  // namespace
}  // namespace slmtune
