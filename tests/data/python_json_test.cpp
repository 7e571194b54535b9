#include "data/python_json.h"

#include <gtest/gtest.h>

namespace slmtune::data {
namespace {

// Expected texts: json.dumps(json.loads(text), ensure_ascii=False).
TEST(PythonJson, PrintsNumbersAsPythonDoes) {
  for (const char* same :
       {"0", "-7", "18446744073709551615", "0.1", "-0.0", "1.5e-07", "0.0001", "1e-05", "1e+16",
        "1000000000000000.0", "123456789.25", "5e-324", "1.7976931348623157e+308", "true", "null"})
    EXPECT_EQ(python_json(OrderedJson::parse(same)), same);
}

TEST(PythonJson, KeepsTheOrderOfKeysAndEscapesOnlyWhatItMust) {
  EXPECT_EQ(
      python_json(OrderedJson::parse(R"({"z":[1,{}],"a":"\u00e4\"\\\n\u0001\u007f","e":[]})")),
      "{\"z\": [1, {}], \"a\": \"\u00e4\\\"\\\\\\n\\u0001\x7f\", \"e\": []}");
  EXPECT_EQ(python_json_text("a\tb\"c"), "\"a\\tb\\\"c\"");
}

TEST(PythonJson, IndentsLikePython) {
  EXPECT_EQ(python_json(OrderedJson::parse(R"({"a":[1,2],"b":{},"c":{"d":null}})"), 4),
            "{\n    \"a\": [\n        1,\n        2\n    ],\n    \"b\": {},\n    \"c\": {\n        "
            "\"d\": null\n    }\n}");
}

}  // namespace
}  // namespace slmtune::data
