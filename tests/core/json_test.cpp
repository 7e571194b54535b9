#include "core/json.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace slmtune {
namespace {

using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

TEST(ReadJson, ReadsAFile) {
  TempFolder folder;
  EXPECT_EQ(read_json(folder.write("a.json", "{\"a\": [1, 2]}"))["a"][1], 2);
}

TEST(ReadJson, NamesTheMissingFile) {
  EXPECT_EQ(thrown([] { read_json("/nonexistent/config.json"); }),
            "N001|/nonexistent/config.json: error[N001]: no such file\n"
            "help: check the path; it is taken from the current folder");
}

TEST(ReadJson, RefusesAFileOverTheLimit) {
  TempFolder folder;
  auto path = folder.write("a.json", "[1,2,3]");
  EXPECT_EQ(thrown([&] { read_json(path, 6); }),
            "F001|" + path.string() +
                ": error[F001]: larger than 6 B\nhelp: check that this is the right file");
  EXPECT_EQ(read_json(path, 7).size(), 3u);
}

TEST(ReadJson, NamesLineAndColumnOfASyntaxError) {
  TempFolder folder;
  auto path = folder.write("a.json", "{\n  \"a\": 1,\n  \"b\" 2\n}");
  EXPECT_EQ(thrown([&] { read_json(path); }), "F002|" + path.string() +
                                                  ":3:7: error[F002]: not JSON: syntax error here\n"
                                                  "help: check that the file is complete");
}

TEST(ReadJson, RefusesATruncatedFile) {
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { read_json(folder.write("a.json", "{\"a\": [1, 2")); }), "F002");
  EXPECT_EQ(thrown_code([&] { read_json(folder.write("b.json", "")); }), "F002");
}

TEST(ReadJson, RefusesBytesAfterANul) {
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { read_json(folder.write("a.json", std::string_view("{}\0x", 4))); }),
            "F002");
}

TEST(ReadJson, RefusesDeepNesting) {
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { read_json(folder.write("a.json", std::string(100000, '['))); }),
            "F002");
  std::string brackets_in_text = "[\"" + std::string(1000, '[') + "\\\"[\"]";
  EXPECT_EQ(read_json(folder.write("b.json", brackets_in_text)).size(), 1u);
}

TEST(ReadJson, ReadsEveryValueAsTheParserDoes) {
  const std::string text =
      R"({"a": [1, -2, 3.5e2, true, false, null, "\u00fc\n", {}, []], "b": {"c": {"d": 1}}})";
  TempFolder folder;
  EXPECT_EQ(read_json(folder.write("a.json", text)), Json::parse(text));
  EXPECT_EQ(read_json(folder.write("b.json", "7")), Json(7));
}

// Tokenizers are published with "model_max_length": 1000000000000000019884624838656.
TEST(ReadJson, AWholeNumberBeyond64BitsIsNoInteger) {
  TempFolder folder;
  const Json json = read_json(folder.write("a.json", R"({"n": 1000000000000000019884624838656})"));
  EXPECT_EQ(json_number(json, "n", "f"), 1e30);
  EXPECT_EQ(thrown_code([&] { json_integer(json, "n", "f"); }), "F004");
}

TEST(ReadJson, RefusesAFolder) {
  TempFolder folder;
  EXPECT_EQ(thrown_code([&] { read_json(folder.path()); }), "F005");
}

TEST(JsonMember, IsReadByType) {
  Json object = {{"n", 3}, {"x", 1.5}, {"t", "hi"}};
  EXPECT_EQ(json_integer(object, "n", "f"), 3);
  EXPECT_EQ(json_number(object, "n", "f"), 3.0);
  EXPECT_EQ(json_number(object, "x", "f"), 1.5);
  EXPECT_EQ(json_text(object, "t", "f"), "hi");
}

TEST(JsonMember, NamesWhatIsMissing) {
  EXPECT_EQ(thrown([] { json_integer(Json::object(), "hidden_size", "config.json"); }),
            "F003|config.json: error[F003]: 'hidden_size' is missing\nhelp: check that the file is "
            "complete");
  EXPECT_EQ(thrown_code([] { json_text(Json::array(), "a", "f"); }), "F003");
}

TEST(JsonMember, NamesTheWrongType) {
  Json object = {{"a", "x"}, {"b", 1.5}, {"c", 18446744073709551615ull}, {"d", nullptr}};
  EXPECT_EQ(thrown([&] { json_integer(object, "a", "config.json"); }),
            "F004|config.json: error[F004]: 'a' must be a whole number, got string\n"
            "help: check that the file is for this kind of model");
  EXPECT_EQ(thrown_code([&] { json_integer(object, "b", "f"); }), "F004");
  EXPECT_EQ(thrown_code([&] { json_integer(object, "c", "f"); }), "F004");
  EXPECT_EQ(thrown_code([&] { json_number(object, "d", "f"); }), "F004");
  EXPECT_EQ(thrown_code([&] { json_text(object, "b", "f"); }), "F004");
}

}  // namespace
}  // namespace slmtune
