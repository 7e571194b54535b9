#include "data/formats/format.h"

#include <gtest/gtest.h>
#include <simdjson.h>

namespace slmtune::data {
namespace {

struct Parsed {
  std::string format, reason;
  Example example;
};

Parsed parse(const std::string& line) {
  simdjson::dom::parser parser;
  const simdjson::dom::object row = parser.parse(line).get_object().value();
  for (const Format& format : formats()) {
    if (!format.matches(row)) continue;
    Parsed result{std::string(format.name), "", {}};
    result.reason = format.parse(row, result.example);
    return result;
  }
  return {};
}

// "role:text" with '*' behind trained ones, joined by '|'.
std::string told(const Example& example) {
  std::string text;
  for (const Message& message : example.messages)
    text +=
        (text.empty() ? "" : "|") + message.role + ":" + message.text + (message.train ? "*" : "");
  return text;
}

struct Good {
  const char* line;
  const char* format;
  const char* told;
};

TEST(Formats, ReadEveryShapeOfConversation) {
  const Good rows[] = {
      {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})",
       "messages", "user:a|assistant:b*"},
      {R"({"messages":[{"role":"developer","content":"s"},{"role":"tool","content":"t"},
           {"role":"assistant","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}]})",
       "messages", "system:s|tool:t|assistant:bc*"},
      {R"({"messages":[{"role":"assistant","content":"a","train":false},{"role":"assistant","content":"b","weight":0},
           {"role":"assistant","content":"c","weight":1},{"role":"assistant","content":"d","train":true}]})",
       "messages", "assistant:a|assistant:b|assistant:c*|assistant:d*"},
      {R"({"messages":[{"role":"user","content":"a","train":false},{"role":"assistant","content":"b","tool_calls":[]}]})",
       "messages", "user:a|assistant:b*"},
      {R"({"system":"s","conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})",
       "sharegpt", "system:s|user:a|assistant:b*"},
      {R"({"conversations":[{"role":"user","content":"a"},{"from":"observation","value":"o"},
           {"from":"assistant","value":"b","weight":0}]})",
       "sharegpt", "user:a|tool:o|assistant:b"},
      {R"({"question":"q","answer":"a"})", "qa", "user:q|assistant:a*"},
      {R"({"instruction":"i","input":"x","output":"o"})", "alpaca", "user:i\nx|assistant:o*"},
      {R"({"instruction":"i","input":null,"output":"o","system":"s","history":[["p","q"]]})",
       "alpaca", "system:s|user:p|assistant:q*|user:i|assistant:o*"},
  };
  for (const Good& row : rows) {
    const Parsed parsed = parse(row.line);
    EXPECT_EQ(parsed.reason, "") << row.line;
    EXPECT_EQ(parsed.format, row.format) << row.line;
    EXPECT_EQ(told(parsed.example), row.told);
    EXPECT_EQ(parsed.example.kind, Example::Kind::kChat);
  }
}

TEST(Formats, ReadTextAndCompletions) {
  const Parsed text = parse(R"({"text":"abc","id":3})");
  ASSERT_EQ(text.reason, "");
  EXPECT_EQ(text.example.kind, Example::Kind::kText);
  EXPECT_EQ(text.example.spans.at(0).text, "abc");
  EXPECT_TRUE(text.example.spans.at(0).train);
  const Parsed completion = parse(R"({"prompt":"p","completion":" c"})");
  ASSERT_EQ(completion.example.spans.size(), 2u);
  EXPECT_FALSE(completion.example.spans[0].train);
  EXPECT_TRUE(completion.example.spans[1].train);
}

TEST(Formats, ReadTokens) {
  const Parsed all = parse(R"({"input_ids":[5,6,7]})");
  EXPECT_EQ(all.example.labels, (std::vector<int32_t>{5, 6, 7}));
  const Parsed some =
      parse(R"({"input_ids":[5,6,7],"labels":[-100,6,7],"attention_mask":[1,1,1]})");
  EXPECT_EQ(some.reason, "");
  EXPECT_EQ(some.example.labels, (std::vector<int32_t>{-100, 6, 7}));
}

TEST(Formats, GiveAReasonForEveryBadField) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"messages":"SECRET"})", "'messages' is not a list"},
      {R"({"messages":[]})", "the row has no messages"},
      {R"({"messages":["SECRET"]})", "message 1: not an object"},
      {R"({"messages":[{"content":"SECRET"}]})", "message 1: 'role' is missing"},
      {R"({"messages":[{"role":"SECRET","content":"a"}]})",
       "message 1: unknown role; expected system, user, assistant or tool"},
      {R"({"messages":[{"role":"user"}]})", "message 1: 'content' is missing"},
      {R"({"messages":[{"role":"user","content":null}]})",
       "message 1: 'content' is null; a text is expected"},
      {R"({"messages":[{"role":"user","content":7}]})", "message 1: 'content' is not a text"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
       "message 1: 'content' has a part that is not of type 'text'; only text can be trained"},
      {R"({"messages":[{"role":"user","content":["SECRET"]}]})",
       "message 1: 'content' has a part that is not an object"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})",
       "message 1: 'content' has a part without 'text'"},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":""}]})",
       "message 2: the assistant's text is empty"},
      {R"({"messages":[{"role":"user","content":"a","train":true}]})",
       "message 1: only the assistant's messages can be trained"},
      {R"({"messages":[{"role":"assistant","content":"a","weight":0.5}]})",
       "message 1: 'weight' is neither 0 nor 1"},
      {R"({"messages":[{"role":"assistant","content":"a","train":"no"}]})",
       "message 1: 'train' is neither true nor false"},
      {R"({"messages":[{"role":"assistant","tool_calls":{}}]})",
       "message 1: 'tool_calls' is not a list"},
      {R"({"messages":[{"role":"user","content":"a","tool_calls":[{"function":{"name":"f","arguments":{}}}]}]})",
       "message 1: only the assistant can have 'tool_calls'"},
      {R"({"messages":[{"role":"assistant","tool_calls":[7]}]})",
       "message 1: tool call 1: not an object"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{}]}]})",
       "message 1: tool call 1: 'function' is missing"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"type":"SECRET"}]}]})",
       "message 1: tool call 1: 'type' is not 'function'"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"type":1}]}]})",
       "message 1: tool call 1: 'type' is not a text"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":"SECRET"}]}]})",
       "message 1: tool call 1: 'function' is not an object"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":{}}}]}]})",
       "message 1: tool call 1: 'function' has no 'name'"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{},"name":1}}]}]})",
       "message 1: tool call 1: 'function' has two members 'name'"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}]})",
       "message 1: tool call 1: 'arguments' is missing"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":[]}}]}]})",
       "message 1: tool call 1: 'arguments' is neither an object nor the text of one"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"[SECRET"}}]}]})",
       "message 1: tool call 1: 'arguments' is a text that is not a JSON object"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"id":3,"function":{"name":"f","arguments":{}}}]}]})",
       "message 1: tool call 1: 'id' is not a text"},
      {R"({"messages":[{"role":"tool","content":"a","tool_call_id":3}]})",
       "message 1: 'tool_call_id' is not a text"},
      {R"({"messages":[{"role":"system","content":"a","tools":[]}]})",
       "message 1: 'tools' is not a text"},
      {R"({"messages":[{"role":"user","content":"a"}],"tools":"SECRET"})", "'tools' is not a list"},
      {R"({"messages":[{"role":"user","content":"a"}],"tools":[{"name":"SECRET"}]})",
       "tool 1: 'function' is missing"},
      {R"({"conversations":{}})", "'conversations' is not a list"},
      {R"({"conversations":[{"from":"SECRET","value":"a"}]})",
       "message 1: unknown speaker; expected human, gpt, system, tool or observation"},
      {R"({"conversations":[{"from":"gpt"}]})", "message 1: 'value' is missing"},
      {R"({"system":3,"conversations":[]})", "'system' is not a text"},
      {R"({"instruction":"i","output":""})", "'output' is empty"},
      {R"({"instruction":"i","output":4})", "'output' is not a text"},
      {R"({"instruction":"i","output":"o","history":[["a"]]})",
       "'history' has an entry that is not a pair of texts"},
      {R"({"question":"q","answer":""})", "'answer' is empty"},
      {R"({"prompt":"p","completion":""})", "'completion' is empty"},
      {R"({"prompt":[],"completion":"x"})", "'prompt' is not a text"},
      {R"({"text":""})", "'text' is empty"},
      {R"({"text":["SECRET"]})", "'text' is not a text"},
      {R"({"input_ids":[]})", "'input_ids' is empty"},
      {R"({"input_ids":[1.5]})", "'input_ids' has an entry that is not a whole number"},
      {R"({"input_ids":[-1]})", "'input_ids' has an id out of range"},
      {R"({"input_ids":[99999999]})", "'input_ids' has an id out of range"},
      {R"({"input_ids":[1,2],"labels":[1]})", "'labels' and 'input_ids' differ in length"},
      {R"({"input_ids":[1,2],"labels":[2,-100]})",
       "'labels' has an entry that is neither -100 nor the id at the same place (they must not be "
       "shifted)"},
      {R"({"input_ids":[1,2],"attention_mask":[1]})",
       "'attention_mask' and 'input_ids' differ in length"},
      {R"({"input_ids":[1,2],"attention_mask":[1,0]})",
       "'attention_mask' is not all ones; leave padding out of the row"},
  };
  for (const auto& [line, reason] : rows) EXPECT_EQ(parse(line).reason, reason) << line;
}

TEST(Formats, ReadToolsAndCallsAsPythonPrintsThem) {
  const Parsed parsed = parse(R"({"tools":[{"type":"function","function":{"name":"f","n":1e5}}],
      "messages":[{"role":"user","content":"a"},
      {"role":"assistant","content":null,"tool_calls":[
        {"id":"i","type":"function","function":{"arguments":"{\"b\":1,\"a\":\"\u00e4\"}","name":"f"}},
        {"function":{"name":"g","arguments":{"x":[1.50,true]}}}]},
      {"role":"tool","content":"r","tool_call_id":"i"}]})");
  ASSERT_EQ(parsed.reason, "");
  EXPECT_EQ(parsed.example.tools,
            std::vector<std::string>{
                R"({"type": "function", "function": {"name": "f", "n": 100000.0}})"});
  const Message& turn = parsed.example.messages.at(1);
  EXPECT_TRUE(turn.train);
  ASSERT_EQ(turn.tool_calls.size(), 2u);
  EXPECT_EQ(turn.tool_calls[0].id, "i");
  EXPECT_EQ(turn.tool_calls[0].name, "f");
  EXPECT_EQ(turn.tool_calls[0].arguments, "{\"b\": 1, \"a\": \"\u00e4\"}");
  EXPECT_EQ(turn.tool_calls[0].function,
            "{\"arguments\": {\"b\": 1, \"a\": \"\u00e4\"}, \"name\": \"f\"}");
  EXPECT_EQ(turn.tool_calls[1].arguments, R"({"x": [1.5, true]})");
  EXPECT_EQ(parsed.example.messages.at(2).tool_call_id, "i");
}

TEST(Formats, RefuseWideObjectsInTools) {
  std::string members;
  for (int i = 0; i < 1001; ++i) members += ",\"k" + std::to_string(i) + "\":1";
  const std::string function = R"({"function":{"name":"f","p":[{"a":1)" + members + "}]}}";
  EXPECT_EQ(parse(R"({"messages":[],"tools":[)" + function + "]}").reason,
            "tool 1: an object in it has more than 1000 members");
}

TEST(Formats, AreFoundByName) {
  for (const Format& format : formats()) EXPECT_EQ(find_format(format.name)->name, format.name);
  EXPECT_EQ(find_format("csv"), nullptr);
}

}  // namespace
}  // namespace slmtune::data
