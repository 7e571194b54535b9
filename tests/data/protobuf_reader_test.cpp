#include "data/tokenizer/protobuf_reader.h"

#include <gtest/gtest.h>

#include "tests/data/small_sentencepiece.h"

namespace slmtune::data {
namespace {

using testing::field;

// Number of fields, or -1 when the message is malformed.
int fields_of(const std::string& bytes) {
  ProtobufReader reader(bytes);
  int count = 0;
  while (reader.next()) ++count;
  return reader.is_intact() ? count : -1;
}

TEST(ProtobufReader, ReadsEachWireType) {
  const std::string bytes = field(1, uint64_t{300}) + field(2, std::string("text")) +
                            field(3, 0.5f) +
                            "\x21"
                            "12345678";
  ProtobufReader reader(bytes);
  auto number = reader.next(), text = reader.next(), real = reader.next(), fixed = reader.next();
  ASSERT_TRUE(number && text && real && fixed);
  EXPECT_EQ(number->value, 300u);
  EXPECT_EQ(text->bytes, "text");
  EXPECT_EQ(real->as_float(), 0.5f);
  EXPECT_EQ(fixed->number, 4u);
  EXPECT_FALSE(reader.next());
  EXPECT_TRUE(reader.is_intact());
}

TEST(ProtobufReader, RefusesWhatIsMalformed) {
  EXPECT_EQ(fields_of(""), 0);
  EXPECT_EQ(fields_of(field(1, ~uint64_t{0})), 1);
  EXPECT_EQ(fields_of("\x80"), -1);                                     // number cut off
  EXPECT_EQ(fields_of("\x08" + std::string(10, '\xFF') + "\x01"), -1);  // more than 64 bits
  EXPECT_EQ(fields_of("\x0A\x05"
                      "abcd"),
            -1);  // longer than what is left
  EXPECT_EQ(fields_of("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), -1);
  EXPECT_EQ(fields_of("\x0D"
                      "123"),
            -1);  // 4 bytes cut off
  EXPECT_EQ(fields_of("\x09"
                      "1234567"),
            -1);                                         // 8 bytes cut off
  EXPECT_EQ(fields_of("\x0B\x0C"), -1);                  // group
  EXPECT_EQ(fields_of("\x0F"), -1);                      // no wire type
  EXPECT_EQ(fields_of(std::string("\x00\x01", 2)), -1);  // field number 0
}

}  // namespace
}  // namespace slmtune::data
