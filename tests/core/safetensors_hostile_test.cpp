// One test per way a safetensors file can be wrong. `message_of` drops the path, which is a
// temporary one.
#include <gtest/gtest.h>

#include "core/safetensors.h"
#include "core/seed.h"
#include "tests/support/expect_error.h"
#include "tests/support/safetensors_bytes.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::safetensors_bytes;
using testing::TempFolder;
using testing::thrown;

// "F010: what is wrong" of a file with these bytes.
std::string message_of(const std::string& bytes) {
  TempFolder folder;
  auto path = folder.write("a", bytes);
  std::string all = thrown([&] { SafetensorsFile::open(path); });
  size_t start = all.find("]: ");
  if (start == std::string::npos) return all;
  return all.substr(0, 4) + ": " + all.substr(start + 3, all.find('\n') - start - 3);
}

std::string header_message(const std::string& header, const std::string& data = "") {
  return message_of(safetensors_bytes(header, data));
}

// A header with one tensor 'a' of these fields.
std::string one(const std::string& fields) {
  return "{\"a\":{" + fields + "}}";
}

TEST(HostileSafetensors, EmptyFile) {
  EXPECT_EQ(message_of(""), "F012: the file has only 0 bytes");
}

TEST(HostileSafetensors, ShorterThanTheLength) {
  EXPECT_EQ(message_of("1234567"), "F012: the file has only 7 bytes");
}

TEST(HostileSafetensors, HeaderLongerThanTheFile) {
  EXPECT_EQ(message_of(safetensors_bytes("{}", "", 100)),
            "F012: the header ends at byte 108 but the file has 10");
}

TEST(HostileSafetensors, HeaderLongerThanTheLimit) {
  EXPECT_EQ(message_of(safetensors_bytes("{}", "", 32'000'001)),
            "F010: the header claims 32000001 bytes");
  EXPECT_EQ(message_of(safetensors_bytes("{}", "", ~0ull)),
            "F010: the header claims 18446744073709551615 bytes");
}

TEST(HostileSafetensors, GitLfsPointer) {
  EXPECT_EQ(message_of("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"),
            "F010: this is a Git LFS pointer, not the weights");
}

TEST(HostileSafetensors, EmptyHeader) {
  EXPECT_EQ(header_message(""), "F010: the header is no JSON object");
}

TEST(HostileSafetensors, HeaderIsNoObject) {
  EXPECT_EQ(header_message("[]"), "F010: the header is no JSON object");
  EXPECT_EQ(header_message(" {}"), "F010: the header is no JSON object");
}

TEST(HostileSafetensors, BrokenJson) {
  EXPECT_EQ(header_message("{\"a\""), "F010: the header is no JSON (byte 13)");
  EXPECT_EQ(header_message("{}x"), "F010: the header is no JSON (byte 11)");
}

TEST(HostileSafetensors, NulInHeader) {
  EXPECT_EQ(header_message(std::string("{}\0{", 4)), "F010: the header is no JSON object");
}

TEST(HostileSafetensors, NameIsNoUtf8) {
  EXPECT_EQ(header_message("{\"\xff\":{}}"), "F010: the header is no JSON (byte 11)");
}

TEST(HostileSafetensors, DuplicateTensor) {
  std::string entry = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(header_message("{" + entry + "," + entry + "}", "x"),
            "F010: tensor 'a' stands there twice");
}

TEST(HostileSafetensors, DuplicateField) {
  EXPECT_EQ(
      header_message(one(R"("dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1])"), "x"),
      "F010: tensor 'a' has 'dtype' twice");
  EXPECT_EQ(
      header_message(one(R"("dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1])"), "x"),
      "F010: tensor 'a' has 'shape' twice");
}

TEST(HostileSafetensors, DuplicateMetadata) {
  EXPECT_EQ(header_message(R"({"__metadata__":{"k":"1","k":"2"}})"),
            "F010: metadata 'k' stands there twice");
  EXPECT_EQ(header_message(R"({"__metadata__":{},"__metadata__":{}})"),
            "F010: '__metadata__' stands there twice");
}

TEST(HostileSafetensors, MetadataIsNoText) {
  EXPECT_EQ(header_message(R"({"__metadata__":{"k":1}})"),
            "F010: metadata 'k' has a number where none belongs");
  EXPECT_EQ(header_message(R"({"__metadata__":{"k":{}}})"), "F010: metadata 'k' nests too deep");
  EXPECT_EQ(header_message(R"({"__metadata__":{"k":[]}})"),
            "F010: metadata 'k' has a list where none belongs");
}

TEST(HostileSafetensors, TensorIsNoObject) {
  EXPECT_EQ(header_message(R"({"a":1})"), "F010: tensor 'a' has a number where none belongs");
  EXPECT_EQ(header_message(R"({"a":[]})"), "F010: tensor 'a' has a list where none belongs");
  EXPECT_EQ(header_message(R"({"a":null})"), "F010: tensor 'a' has a null");
  EXPECT_EQ(header_message(R"({"a":true})"),
            "F010: tensor 'a' has a truth value where none belongs");
  EXPECT_EQ(header_message(R"({"a":"F32"})"), "F010: tensor 'a' has a text where none belongs");
}

TEST(HostileSafetensors, MissingFields) {
  EXPECT_EQ(header_message(one(R"("shape":[1],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has no dtype");
  EXPECT_EQ(header_message(one(R"("dtype":"U8","data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has no shape");
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[1])"), "x"),
            "F010: tensor 'a' has no data_offsets");
}

TEST(HostileSafetensors, UnknownField) {
  EXPECT_EQ(
      header_message(one(R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1])"), "x"),
      "F010: tensor 'a' has an unknown field 'strides'");
}

TEST(HostileSafetensors, UnknownDtype) {
  EXPECT_EQ(header_message(one(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has dtype 'F8_E4M3', which slmtune does not read");
}

TEST(HostileSafetensors, DtypeIsNoText) {
  EXPECT_EQ(header_message(one(R"("dtype":["U8"],"shape":[1],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a list in 'dtype'");
}

TEST(HostileSafetensors, NegativeDimension) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a negative number");
}

TEST(HostileSafetensors, FractionalDimension) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a fraction");
}

TEST(HostileSafetensors, DimensionOverflows64Bits) {
  EXPECT_EQ(header_message(
                one(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a dimension of 9223372036854775808");
}

TEST(HostileSafetensors, TextAmongTheNumbers) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":["1"],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a text where none belongs");
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[[1]],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' has a list where none belongs");
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[{}],"data_offsets":[0,1])"), "x"),
            "F010: tensor 'a' nests too deep");
}

TEST(HostileSafetensors, DeepNesting) {
  std::string deep = "{\"a\":" + std::string(1'000'000, '[');
  EXPECT_EQ(header_message(deep), "F010: tensor 'a' has a list where none belongs");
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  EXPECT_EQ(header_message(objects), "F010: tensor 'a' has an unknown field 'a'");
}

TEST(HostileSafetensors, OneOffset) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[1],"data_offsets":[0])"), "x"),
            "F010: tensor 'a' needs two data_offsets, got 1");
}

TEST(HostileSafetensors, OffsetsRunBackwards) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[1],"data_offsets":[1,0])"), "x"),
            "F011: tensor 'a' ends before it begins");
}

TEST(HostileSafetensors, SizeDoesNotFitTheShape) {
  EXPECT_EQ(header_message(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "xxxx"),
            "F011: tensor 'a' has 4 bytes but its shape needs 8");
}

TEST(HostileSafetensors, ShapeOverflows) {
  EXPECT_EQ(
      header_message(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])")),
      "F011: the size of tensor 'a' overflows");
  EXPECT_EQ(
      header_message(one(R"("dtype":"F32","shape":[2305843009213693952],"data_offsets":[0,0])")),
      "F011: the size of tensor 'a' overflows");
}

const std::string kA = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";

TEST(HostileSafetensors, GapBetweenTensors) {
  EXPECT_EQ(
      header_message("{" + kA + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})", "xxxx"),
      "F011: tensor 'b' begins at byte 3 of the data but the one before ends at 2");
}

TEST(HostileSafetensors, GapBeforeTheFirstTensor) {
  EXPECT_EQ(header_message(one(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])"), "xx"),
            "F011: tensor 'a' begins at byte 1 of the data but the one before ends at 0");
}

TEST(HostileSafetensors, OverlappingTensors) {
  EXPECT_EQ(
      header_message("{" + kA + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", "xxx"),
      "F011: tensor 'b' begins at byte 1 of the data but the one before ends at 2");
}

TEST(HostileSafetensors, TwoTensorsInTheSamePlace) {
  EXPECT_EQ(
      header_message("{" + kA + R"(,"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xx"),
      "F011: tensor 'b' begins at byte 0 of the data but the one before ends at 2");
}

TEST(HostileSafetensors, TruncatedData) {
  EXPECT_EQ(header_message("{" + kA + "}", "x"),
            "F012: tensor 'a' ends at byte 2 of the data but the file has 1");
}

TEST(HostileSafetensors, TrailingBytes) {
  EXPECT_EQ(header_message("{" + kA + "}", "xxx"),
            "F012: the tensors end at byte 2 of the data but the file has 3");
  EXPECT_EQ(header_message("{}", "x"),
            "F012: the tensors end at byte 0 of the data but the file has 1");
}

TEST(HostileSafetensors, TerminalCodesInANameAreNotPrinted) {
  EXPECT_EQ(header_message(R"({"\u001b[31m":{"dtype":1}})"),
            "F010: tensor '?[31m' has a number where none belongs");
}

TEST(HostileSafetensors, EveryFlippedByteIsReadOrRefused) {
  std::string header = "{" + kA + R"(,"__metadata__":{"format":"pt"}})";
  std::string bytes = safetensors_bytes(header, "xx");
  TempFolder folder;
  SplitMix64 random(1);
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int round = 0; round < 8; ++round) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(random.below(256));
      std::string code =
          testing::thrown_code([&] { SafetensorsFile::open(folder.write("a", flipped)); });
      EXPECT_TRUE(code == "noth" || code[0] == 'F') << code << " at byte " << i;
    }
  }
}

TEST(HostileSafetensors, EveryTruncationIsRefused) {
  std::string bytes = safetensors_bytes("{" + kA + "}", "xx");
  TempFolder folder;
  for (size_t length = 0; length < bytes.size(); ++length) {
    auto path = folder.write("a", bytes.substr(0, length));
    EXPECT_EQ(testing::thrown_code([&] { SafetensorsFile::open(path); }), "F012") << length;
  }
}

}  // namespace
}  // namespace slmtune
