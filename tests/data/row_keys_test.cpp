#include "data/row_keys.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>

#include "tests/support/raises.h"
#include "tests/support/temp_folder.h"

namespace slmtune::data {
namespace {

using testing::raises;
using testing::TempFolder;

RowKeys keys_of(const std::string& json) {
  simdjson::dom::parser parser;
  return row_keys(parser.parse(json).get_object().value());
}

bool has_field_key(const RowKeys& keys, const char* name, const char* value) {
  return std::count(keys.fields.begin(), keys.fields.end(), field_key(name, value)) == 1;
}

TEST(RowKeys, DoNotDependOnHowTheRowIsWritten) {
  const RowDigest row = keys_of(R"({"id": 7, "text": "caf\u00e9", "score": 1.0})").row;
  EXPECT_EQ(keys_of("{\"score\":1,\"text\":\"café\",\"id\":7}").row, row);
  EXPECT_NE(keys_of("{\"score\":1,\"text\":\"cafe\",\"id\":7}").row, row);
  EXPECT_NE(keys_of("{\"score\":1,\"text\":\"café\",\"id\":\"7\"}").row, row);
}

TEST(RowKeys, TellRowsApartThatLookAlikeWhenJoined) {
  EXPECT_NE(keys_of(R"({"a":"bc"})").row, keys_of(R"({"ab":"c"})").row);
  EXPECT_NE(keys_of(R"({"a":["b","c"]})").row, keys_of(R"({"a":["bc"]})").row);
  EXPECT_NE(keys_of(R"({"a":[["b"],"c"]})").row, keys_of(R"({"a":[["b","c"]]})").row);
  EXPECT_NE(keys_of(R"({"a":null})").row, keys_of(R"({"a":"null"})").row);
  EXPECT_NE(keys_of(R"({"a":{}})").row, keys_of(R"({"a":[]})").row);
}

TEST(RowKeys, HaveOneForEachShortField) {
  const RowKeys keys = keys_of(R"({"id": 4711, "meta": {"user": "ann", "vip": true, "x": null},
                                   "score": 0.5, "messages": [{"role": "user"}]})");
  EXPECT_TRUE(has_field_key(keys, "id", "4711"));
  EXPECT_TRUE(has_field_key(keys, "meta.user", "ann"));
  EXPECT_TRUE(has_field_key(keys, "meta.vip", "true"));
  EXPECT_TRUE(has_field_key(keys, "score", "0.5"));
  EXPECT_EQ(keys.fields.size(), 4u);
  EXPECT_EQ(keys.id, field_key("id", "4711"));
  EXPECT_EQ(keys_of(R"({"id": "4711"})").id, keys.id);
  EXPECT_FALSE(keys_of(R"({"meta": {"id": 1}})").id);
}

TEST(RowKeys, NumbersAreTakenAsTheyAreRead) {
  EXPECT_TRUE(has_field_key(keys_of(R"({"n": 1e3})"), "n", "1000"));
  EXPECT_TRUE(has_field_key(keys_of(R"({"n": -0.0})"), "n", "0"));
  EXPECT_TRUE(
      has_field_key(keys_of(R"({"n": 18446744073709551615})"), "n", "18446744073709551615"));
  EXPECT_TRUE(has_field_key(keys_of(R"({"n": 1e300})"), "n", "1e+300"));
}

TEST(RowKeys, LongTextsAndTooManyFieldsAreLeftOut) {
  EXPECT_TRUE(keys_of("{\"text\":\"" + std::string(257, 'x') + "\"}").fields.empty());
  EXPECT_EQ(keys_of("{\"text\":\"" + std::string(256, 'x') + "\"}").fields.size(), 1u);
  std::string many = "{\"f0\":0";
  for (int i = 1; i < 100; ++i) many += ",\"f" + std::to_string(i) + "\":0";
  EXPECT_EQ(keys_of(many + "}").fields.size(), 64u);
  EXPECT_TRUE(keys_of(R"({"a":{"b":{"c":{"d":{"e":1}}}}})").fields.empty());
}

TEST(RowKeys, OfAFileAreThoseOfItsRows) {
  TempFolder folder;
  const auto file = folder.write("rows.jsonl", "{\"id\":1}\n\n{\"id\":2,\"text\":\"b\"}\n");
  const auto keys = keys_of_file(file);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[1].row, keys_of("{\"text\":\"b\",\"id\":2}").row);
}

TEST(RowKeys, BadLinesOfAFileAreAllNamed) {
  TempFolder folder;
  const auto file = folder.write("rows.jsonl", "{\"id\":1}\n[]\n{\"id\":\n");
  EXPECT_TRUE(raises("D002", {"rows.jsonl:2", "rows.jsonl:3"}, [&] { keys_of_file(file); }));
  const auto latin = folder.write("latin.jsonl", "{\"id\":\"\xe9\"}\n");
  EXPECT_TRUE(raises("D006", {"latin.jsonl:1"}, [&] { keys_of_file(latin); }));
  EXPECT_TRUE(raises("N001", {"none"}, [&] { keys_of_file(folder.path() / "none"); }));
}

}  // namespace
}  // namespace slmtune::data
