// GGUF files of other writers, cut at every byte, and damaged. Each way in which one can be wrong
// is a row of tests/hostile/gguf_files.cpp.
#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "export/gguf/gguf.h"
#include "tests/support/gguf_bytes.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::Bytes;
using testing::gguf_head;
using testing::gguf_tensor;
using testing::gguf_with_entry;
using testing::gguf_with_tensor;
using testing::TempFolder;

// Code of the error that reading `content` gives; "" when the file is taken.
std::string code_of(const std::string& content) {
  TempFolder folder;
  try {
    GgufFile::open(folder.write("a.gguf", content));
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(GgufReader, TakesAWellFormedFile) {
  EXPECT_EQ(code_of(gguf_with_tensor("w", {8}, 0, 0, 32)), "");
}

TEST(GgufReader, TakesALastTensorWithoutPadding) {
  EXPECT_EQ(code_of(gguf_with_tensor("w", {3}, 0, 0, 12)), "");
}

TEST(GgufReader, TakesNarrowIntegersOfOtherWriters) {
  EXPECT_EQ(code_of(gguf_with_entry([](Bytes& b) { b.number(uint32_t{0}).number(uint8_t{200}); })),
            "");
  EXPECT_EQ(code_of(gguf_with_entry([](Bytes& b) { b.number(uint32_t{3}).number(int16_t{-2}); })),
            "");
}

TEST(GgufReader, TakesVersion2WhichIsTheSameInLittleEndian) {
  Bytes out = gguf_head(1, 0, 2);
  gguf_tensor(out, "w", {8}, 0, 0);
  EXPECT_EQ(code_of(out.pad().raw(std::string(32, '\0')).str()), "");
}

// Two tensors of four bytes; the second begins at `offset`, the data where `padding` says.
std::string with_alignment(uint32_t alignment, uint64_t offset, size_t padding, size_t data_bytes) {
  Bytes out = gguf_head(2, 1);
  out.text("general.alignment").number(uint32_t{4}).number(alignment);
  gguf_tensor(out, "v", {1}, 0, 0);
  gguf_tensor(out, "w", {1}, 0, offset);
  return out.pad(padding).raw(std::string(data_bytes, '\0')).str();
}

TEST(GgufReader, TakesAnotherAlignment) {
  for (const uint32_t alignment : {8u, 16u, 64u, 4096u})
    EXPECT_EQ(code_of(with_alignment(alignment, alignment, alignment, 2 * alignment)), "")
        << alignment;
}

TEST(GgufReader, RefusesOffsetsOfAnotherAlignmentThanTheFileSays) {
  EXPECT_EQ(code_of(with_alignment(64, 32, 64, 128)), "F092");
  EXPECT_EQ(code_of(with_alignment(8, 32, 8, 64)), "F092");
}

TEST(GgufReader, RefusesDataOfAnotherAlignmentThanTheFileSays) {
  EXPECT_EQ(code_of(with_alignment(4096, 4096, 32, 4096)), "F093");
}

TEST(GgufReader, RefusesASizeInBytesThatWrapsAlthoughItsElementsDoNot) {
  // 2^62 numbers of eight bytes.
  EXPECT_EQ(code_of(gguf_with_tensor("w", {1ull << 31, 1ull << 31}, 27, 0, 32)), "F092");
}

TEST(GgufReader, RefusesAKeyLongerThanTheFile) {
  for (const uint64_t size : {uint64_t{1} << 15, uint64_t{1} << 40, ~uint64_t{0}}) {
    const std::string file = gguf_head(0, 1).number(size).raw(std::string(64, 'k')).str();
    EXPECT_EQ(code_of(file), size < 65535 ? "F093" : "F091") << size;
  }
}

TEST(GgufReader, RefusesEveryTruncationOfAFile) {
  Bytes out = gguf_head(1, 2);
  out.text("a").number(uint32_t{8}).text("text");
  out.text("b").number(uint32_t{9}).number(uint32_t{5}).number(uint64_t{2});
  out.number(int32_t{1}).number(int32_t{2});
  gguf_tensor(out, "w", {8}, 0, 0);
  const std::string whole = out.pad().raw(std::string(32, 'x')).str();
  EXPECT_EQ(code_of(whole), "");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(code_of(whole.substr(0, size)), "") << size;
}

// Whatever the bytes are: an error of ours, or tensors that lie inside the file.
TEST(GgufReader, SurvivesRandomDamage) {
  Bytes out = gguf_head(2, 2);
  out.text("a").number(uint32_t{8}).text("text");
  out.text("b").number(uint32_t{9}).number(uint32_t{8}).number(uint64_t{2}).text("x").text("y");
  gguf_tensor(out, "v", {8}, 0, 0);
  gguf_tensor(out, "w", {32, 2}, 8, 32);
  const std::string whole = out.pad().raw(std::string(128, 'x')).str();
  ASSERT_EQ(code_of(whole), "");
  std::mt19937 generator(1);
  TempFolder folder;
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = whole;
    for (uint32_t changes = generator() % 3 + 1; changes > 0; --changes)
      damaged[generator() % damaged.size()] = static_cast<char>(generator() % 4 ? generator() : -1);
    const auto path = folder.write("a.gguf", damaged);
    try {
      const GgufFile file = GgufFile::open(path);
      uint64_t total = 0;
      for (const GgufTensor& found : file.tensors()) total += file.data(found.name).size();
      EXPECT_LE(total, damaged.size());
    } catch (const FileFormatError&) {
    }
  }
}

TEST(GgufReader, RefusesAMissingFile) {
  TempFolder folder;
  EXPECT_THROW(GgufFile::open(folder.path() / "none.gguf"), UserError);
}

}  // namespace
}  // namespace slmtune::exporting
