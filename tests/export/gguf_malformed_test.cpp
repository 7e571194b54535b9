// One named test per way a GGUF file can be wrong. The files are built by hand, byte by byte.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "core/error.h"
#include "export/gguf/gguf.h"
#include "tests/support/temp_folder.h"

namespace slmtune::exporting {
namespace {

using testing::TempFolder;

class Bytes {
 public:
  template <class Number>
  Bytes& number(Number value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(const std::string& text) {
    text_ += text;
    return *this;
  }
  Bytes& text(const std::string& text) { return number(uint64_t{text.size()}).raw(text); }
  Bytes& pad(size_t alignment = 32) {
    text_.resize((text_.size() + alignment - 1) / alignment * alignment);
    return *this;
  }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

Bytes head(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
  return Bytes().raw("GGUF").number(version).number(tensors).number(entries);
}

Bytes& tensor(Bytes& out, const std::string& name, std::vector<uint64_t> sizes, uint32_t type,
              uint64_t offset) {
  out.text(name).number(static_cast<uint32_t>(sizes.size()));
  for (uint64_t size : sizes) out.number(size);
  return out.number(type).number(offset);
}

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

std::string one_tensor(const std::string& name, std::vector<uint64_t> sizes, uint32_t type,
                       uint64_t offset, size_t data_bytes) {
  Bytes out = head(1, 0);
  tensor(out, name, std::move(sizes), type, offset);
  return out.pad().raw(std::string(data_bytes, '\0')).str();
}

std::string one_entry(const std::function<void(Bytes&)>& rest, const std::string& key = "key") {
  Bytes out = head(0, 1);
  out.text(key);
  rest(out);
  return out.pad().str();
}

TEST(GgufReader, TakesAWellFormedFile) {
  EXPECT_EQ(code_of(one_tensor("w", {8}, 0, 0, 32)), "");
}

TEST(GgufReader, TakesALastTensorWithoutPadding) {
  EXPECT_EQ(code_of(one_tensor("w", {3}, 0, 0, 12)), "");
}

TEST(GgufReader, TakesNarrowIntegersOfOtherWriters) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{0}).number(uint8_t{200}); })), "");
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{3}).number(int16_t{-2}); })), "");
}

TEST(GgufReader, TakesAnotherAlignment) {
  Bytes out = head(1, 1);
  out.text("general.alignment").number(uint32_t{4}).number(uint32_t{64});
  tensor(out, "w", {1}, 0, 0);
  EXPECT_EQ(code_of(out.pad(64).raw(std::string(64, '\0')).str()), "");
}

TEST(GgufReader, RefusesAnEmptyFile) {
  EXPECT_EQ(code_of(""), "F090");
}

TEST(GgufReader, RefusesAnotherMagic) {
  EXPECT_EQ(code_of("GGML" + std::string(60, '\0')), "F090");
}

TEST(GgufReader, RefusesVersionOne) {
  EXPECT_EQ(code_of(head(0, 0, 1).pad().str()), "F090");
}

TEST(GgufReader, RefusesALaterVersion) {
  EXPECT_EQ(code_of(head(0, 0, 4).pad().str()), "F090");
}

TEST(GgufReader, RefusesTheOtherByteOrder) {
  EXPECT_EQ(code_of(head(0, 0, 0x03000000).pad().str()), "F090");
}

TEST(GgufReader, RefusesAFileThatEndsInTheHead) {
  EXPECT_EQ(code_of(head(0, 0).str().substr(0, 15)), "F093");
}

TEST(GgufReader, RefusesMoreTensorsThanTheFileCanHold) {
  EXPECT_EQ(code_of(head(uint64_t{1} << 60, 0).pad().str()), "F093");
}

TEST(GgufReader, RefusesMoreEntriesThanTheFileCanHold) {
  EXPECT_EQ(code_of(head(0, ~uint64_t{0}).pad().str()), "F093");
}

TEST(GgufReader, RefusesAnEmptyKey) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{7}).number(uint8_t{1}); }, "")),
            "F091");
}

TEST(GgufReader, RefusesAKeyThatIsNotUtf8) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{7}).number(uint8_t{1}); }, "\xff")),
            "F091");
}

TEST(GgufReader, RefusesAKeyWithANulByte) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{7}).number(uint8_t{1}); },
                              std::string("a\0b", 3))),
            "F091");
}

TEST(GgufReader, RefusesAKeyLongerThanAllowed) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{7}).number(uint8_t{1}); },
                              std::string(70000, 'k'))),
            "F091");
}

TEST(GgufReader, RefusesAKeyThatStandsTwice) {
  Bytes out = head(0, 2);
  for (int i = 0; i < 2; ++i) out.text("key").number(uint32_t{4}).number(uint32_t{1});
  EXPECT_EQ(code_of(out.pad().str()), "F091");
}

TEST(GgufReader, RefusesAnUnknownValueType) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{13}).number(uint64_t{0}); })),
            "F091");
}

TEST(GgufReader, RefusesABooleanThatIsNeitherZeroNorOne) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{7}).number(uint8_t{2}); })), "F091");
}

TEST(GgufReader, RefusesATextOverTheLimit) {
  EXPECT_EQ(
      code_of(one_entry([](Bytes& b) { b.number(uint32_t{8}).number((uint64_t{16} << 20) + 1); })),
      "F091");
}

TEST(GgufReader, RefusesATextThatRunsPastTheEnd) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{8}).number(uint64_t{5000}); })),
            "F093");
}

TEST(GgufReader, RefusesAnArrayOfArrays) {
  EXPECT_EQ(code_of(one_entry(
                [](Bytes& b) { b.number(uint32_t{9}).number(uint32_t{9}).number(uint64_t{0}); })),
            "F091");
}

TEST(GgufReader, RefusesAnArrayOfUnknownType) {
  EXPECT_EQ(code_of(one_entry(
                [](Bytes& b) { b.number(uint32_t{9}).number(uint32_t{77}).number(uint64_t{0}); })),
            "F091");
}

TEST(GgufReader, RefusesAnArrayLongerThanTheFileBeforeAllocating) {
  for (uint32_t type : {4u, 6u, 7u, 8u, 10u})
    EXPECT_EQ(code_of(one_entry(
                  [&](Bytes& b) { b.number(uint32_t{9}).number(type).number(uint64_t{1} << 61); })),
              "F093")
        << type;
}

TEST(GgufReader, RefusesAnArrayWhoseTextsRunPastTheEnd) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) {
              b.number(uint32_t{9})
                  .number(uint32_t{8})
                  .number(uint64_t{2})
                  .text("a")
                  .number(uint64_t{9999});
            })),
            "F093");
}

TEST(GgufReader, RefusesAnAlignmentThatIsNoPowerOfTwo) {
  for (uint32_t alignment : {0u, 48u})
    EXPECT_EQ(code_of(one_entry([&](Bytes& b) { b.number(uint32_t{4}).number(alignment); },
                                "general.alignment")),
              "F091");
}

TEST(GgufReader, RefusesAnAlignmentOfAnotherType) {
  EXPECT_EQ(code_of(one_entry([](Bytes& b) { b.number(uint32_t{10}).number(uint64_t{32}); },
                              "general.alignment")),
            "F091");
}

TEST(GgufReader, RefusesATensorWithoutAName) {
  EXPECT_EQ(code_of(one_tensor("", {8}, 0, 0, 64)), "F092");
}

TEST(GgufReader, RefusesATensorNameOf64Bytes) {
  EXPECT_EQ(code_of(one_tensor(std::string(64, 'w'), {8}, 0, 0, 32)), "F092");
}

TEST(GgufReader, RefusesATensorThatStandsTwice) {
  Bytes out = head(2, 0);
  tensor(out, "w", {8}, 0, 0);
  tensor(out, "w", {8}, 0, 32);
  EXPECT_EQ(code_of(out.pad().raw(std::string(64, '\0')).str()), "F092");
}

TEST(GgufReader, RefusesFiveDimensions) {
  EXPECT_EQ(code_of(one_tensor("w", {1, 1, 1, 1, 8}, 0, 0, 32)), "F092");
}

TEST(GgufReader, RefusesATensorWithoutDimensions) {
  EXPECT_EQ(code_of(one_tensor("wide", {}, 0, 0, 64)), "F092");
}

TEST(GgufReader, RefusesADimensionOfZero) {
  EXPECT_EQ(code_of(one_tensor("w", {8, 0}, 0, 0, 32)), "F092");
}

TEST(GgufReader, RefusesADimensionThatIsNegativeAsSigned) {
  EXPECT_EQ(code_of(one_tensor("w", {~uint64_t{0}}, 0, 0, 32)), "F092");
}

TEST(GgufReader, RefusesAShapeWhoseProductOverflows) {
  EXPECT_EQ(code_of(one_tensor("w", {uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0, 32)), "F092");
}

TEST(GgufReader, RefusesAnUnknownTensorType) {
  EXPECT_EQ(code_of(one_tensor("w", {8}, 4, 0, 32)), "F092");
}

TEST(GgufReader, RefusesRowsThatDoNotDivideIntoBlocks) {
  EXPECT_EQ(code_of(one_tensor("w", {48}, 8, 0, 64)), "F092");
}

TEST(GgufReader, RefusesAGapBeforeATensor) {
  EXPECT_EQ(code_of(one_tensor("w", {8}, 0, 32, 64)), "F092");
}

TEST(GgufReader, RefusesOverlappingTensors) {
  Bytes out = head(2, 0);
  tensor(out, "a", {16}, 0, 0);
  tensor(out, "b", {8}, 0, 32);
  EXPECT_EQ(code_of(out.pad().raw(std::string(96, '\0')).str()), "F092");
}

TEST(GgufReader, RefusesDataThatEndsEarly) {
  EXPECT_EQ(code_of(one_tensor("w", {8}, 0, 0, 31)), "F093");
}

TEST(GgufReader, RefusesATensorFarLargerThanTheFile) {
  EXPECT_EQ(code_of(one_tensor("w", {uint64_t{1} << 50}, 0, 0, 32)), "F093");
}

TEST(GgufReader, RefusesBytesAfterTheLastTensor) {
  EXPECT_EQ(code_of(one_tensor("w", {8}, 0, 0, 64)), "F092");
}

TEST(GgufReader, RefusesEveryTruncationOfAFile) {
  Bytes out = head(1, 2);
  out.text("a").number(uint32_t{8}).text("text");
  out.text("b").number(uint32_t{9}).number(uint32_t{5}).number(uint64_t{2});
  out.number(int32_t{1}).number(int32_t{2});
  tensor(out, "w", {8}, 0, 0);
  const std::string whole = out.pad().raw(std::string(32, 'x')).str();
  EXPECT_EQ(code_of(whole), "");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(code_of(whole.substr(0, size)), "") << size;
}

// Whatever the bytes are: an error of ours, or tensors that lie inside the file.
TEST(GgufReader, SurvivesRandomDamage) {
  Bytes out = head(2, 2);
  out.text("a").number(uint32_t{8}).text("text");
  out.text("b").number(uint32_t{9}).number(uint32_t{8}).number(uint64_t{2}).text("x").text("y");
  tensor(out, "v", {8}, 0, 0);
  tensor(out, "w", {32, 2}, 8, 32);
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
