#include "export/gguf/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "core/error.h"
#include "export/gguf/ggml_types.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::TempFolder;

GgufTensorSource numbers(const std::string& name, std::vector<int64_t> shape, float first) {
  uint64_t elements = 1;
  for (int64_t size : shape) elements *= static_cast<uint64_t>(size);
  return {{name, std::move(shape), 0, elements * 4}, [=](const auto& write) {
            for (uint64_t i = 0; i < elements; ++i) {
              const float value = first + static_cast<float>(i);
              write(std::as_bytes(std::span(&value, 1)));
            }
          }};
}

template <class Value>
void expect_same_value(const Value& value) {
  TempFolder folder;
  write_gguf(folder.path() / "a.gguf", {{"key", value}}, {});
  const GgufFile file = GgufFile::open(folder.path() / "a.gguf");
  ASSERT_EQ(file.metadata().size(), 1u);
  EXPECT_EQ(file.metadata().at("key"), GgufValue(value));
}

TEST(Gguf, KeepsEveryTypeOfMetadata) {
  expect_same_value(uint32_t{4000000000});
  expect_same_value(int32_t{-7});
  expect_same_value(1.5f);
  expect_same_value(true);
  expect_same_value(false);
  expect_same_value(std::string("with \0 inside", 13));
  expect_same_value(uint64_t{1} << 63);
  expect_same_value(std::numeric_limits<int64_t>::min());
  expect_same_value(0.1);
  expect_same_value(std::vector<std::string>{"", "Ġa", "b c"});
  expect_same_value(std::vector<int32_t>{-1, 0, 5});
  expect_same_value(std::vector<uint32_t>{4000000000});
  expect_same_value(std::vector<int64_t>{-1});
  expect_same_value(std::vector<uint64_t>{1});
  expect_same_value(std::vector<float>{});
  expect_same_value(std::vector<double>{0.1});
}

TEST(Gguf, KeepsTensorsInOrderWithShapeAndBytes) {
  TempFolder folder;
  const auto path = folder.path() / "a.gguf";
  // Sizes that are no multiple of the alignment, and the last tensor too.
  const std::vector<GgufTensorSource> tensors{numbers("b", {3}, 10), numbers("a", {2, 5}, 20),
                                              numbers("c", {1, 1, 2, 3}, 30)};
  write_gguf(path, {}, tensors);
  const GgufFile file = GgufFile::open(path);
  ASSERT_EQ(file.tensors().size(), 3u);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const GgufTensor& found = file.tensors()[i];
    EXPECT_EQ(found.name, tensors[i].tensor.name);
    EXPECT_EQ(found.shape, tensors[i].tensor.shape);
    EXPECT_EQ(file.data(found.name).size(), found.bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file.data(found.name).data()) % 32, 0u);
  }
  float values[10];
  std::memcpy(values, file.data("a").data(), sizeof values);
  EXPECT_EQ(values[0], 20.0f);
  EXPECT_EQ(values[9], 29.0f);
}

TEST(Gguf, TellsTheSizeOfTheFileBeforehand) {
  TempFolder folder;
  const GgufMetadata metadata{{"general.name", std::string("x")}};
  const std::vector<GgufTensorSource> tensors{numbers("a", {7}, 0), numbers("b", {9}, 0)};
  write_gguf(folder.path() / "a.gguf", metadata, tensors);
  EXPECT_EQ(gguf_file_bytes(metadata, tensors),
            std::filesystem::file_size(folder.path() / "a.gguf"));
}

TEST(Gguf, ShapesAreStoredWithTheRowLengthFirst) {
  TempFolder folder;
  write_gguf(folder.path() / "a.gguf", {}, {numbers("w", {2, 3}, 0)});
  const std::string bytes = TempFolder::read(folder.path() / "a.gguf");
  uint64_t first;  // 24 bytes of head, name, dimensions
  std::memcpy(&first, bytes.data() + 24 + 8 + 1 + 4, 8);
  EXPECT_EQ(first, 3u);
}

TEST(Gguf, UnknownTensorIsAnErrorWithItsName) {
  TempFolder folder;
  write_gguf(folder.path() / "a.gguf", {}, {numbers("w", {2}, 0)});
  const GgufFile file = GgufFile::open(folder.path() / "a.gguf");
  try {
    file.data("output.weight");
    FAIL();
  } catch (const FileFormatError& error) {
    EXPECT_EQ(error.code(), "F013");
    EXPECT_NE(std::string(error.what()).find("output.weight"), std::string::npos);
  }
}

TEST(GgufWriter, RefusesToWriteATensorTwice) {
  TempFolder folder;
  EXPECT_THROW(write_gguf(folder.path() / "a", {}, {numbers("w", {2}, 0), numbers("w", {2}, 0)}),
               InternalError);
}

TEST(GgufWriter, RefusesToWriteAKeyTwice) {
  TempFolder folder;
  EXPECT_THROW(write_gguf(folder.path() / "a", {{"k", true}, {"k", false}}, {}), InternalError);
}

TEST(GgufWriter, ASourceOfAnotherSizeLeavesNoFile) {
  TempFolder folder;
  GgufTensorSource tensor = numbers("w", {2}, 0);
  tensor.fill = [](const auto& write) { write(std::vector<std::byte>(4)); };
  EXPECT_THROW(write_gguf(folder.path() / "a", {}, {tensor}), InternalError);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, RefusesNamesThatLlamaCppCannotHold) {
  TempFolder folder;
  EXPECT_THROW(write_gguf(folder.path() / "a", {}, {numbers(std::string(64, 'w'), {2}, 0)}),
               InternalError);
}

TEST(GgmlTypes, KnowTheSizesOfTheEncodings) {
  EXPECT_EQ(find_ggml_type(8)->name, "Q8_0");
  EXPECT_EQ(find_ggml_type(8)->block_bytes, 34);
  EXPECT_EQ(find_ggml_type(12)->block, 256);
  EXPECT_EQ(find_ggml_type(4), nullptr);
}

}  // namespace
}  // namespace slmtune::exporting
