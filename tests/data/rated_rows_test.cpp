// Rows with rated answers, from their shapes to the rows of a Dataset.
#include "data/rated_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "data/formats/format.h"
#include "data/loader.h"
#include "data/packer.h"
#include "tests/data/small_tokenizer.h"
#include "tests/support/raises.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;
using testing::load;
using testing::raises;
using testing::small_tokenizer;
using testing::TempFolder;

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

// "role:text" with '*' behind what trains, joined by '|'; spans have no role.
std::string told(const Example& example) {
  std::string text;
  const auto add = [&](const std::string& part, bool trains) {
    text += (text.empty() ? "" : "|") + part + (trains ? "*" : "");
  };
  for (const Message& message : example.messages)
    add(message.role + ":" + message.text, message.train);
  for (const Span& span : example.spans) add(span.text, span.train);
  return text;
}

TEST(Preference, ReadsEveryShape) {
  const struct {
    const char* line;
    const char* chosen;
    const char* rejected;
  } rows[] = {
      {R"({"prompt":"p","chosen":" c","rejected":" r"})", "p| c*", "p| r*"},
      {R"({"prompt":[{"role":"system","content":"s"},{"role":"user","content":"q"}],
           "chosen":[{"role":"assistant","content":"c"}],"rejected":[{"role":"assistant","content":"r"}]})",
       "system:s|user:q|assistant:c*", "system:s|user:q|assistant:r*"},
      {R"({"prompt":"q","chosen":{"role":"assistant","content":"c"},"rejected":{"role":"assistant","content":"r"}})",
       "user:q|assistant:c*", "user:q|assistant:r*"},
      {R"({"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"n"},{"role":"assistant","content":"c"}],
           "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"n"},{"role":"assistant","content":"r"}]})",
       "user:q|assistant:a|user:n|assistant:c*", "user:q|assistant:a|user:n|assistant:r*"},
      {R"({"prompt":"q","chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"c"}],
           "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"r"}]})",
       "user:q|assistant:c*", "user:q|assistant:r*"},
      {R"({"system":"s","conversations":[{"from":"human","value":"q"}],
           "chosen":{"from":"gpt","value":"c"},"rejected":{"from":"gpt","value":"r"}})",
       "system:s|user:q|assistant:c*", "system:s|user:q|assistant:r*"},
      {R"({"messages":[{"role":"user","content":"q"}],"chosen":"c","rejected":"r"})",
       "user:q|assistant:c*", "user:q|assistant:r*"},
      {R"({"instruction":"i","input":"x","chosen":"c","rejected":"r","history":[["a","b"]]})",
       "user:a|assistant:b|user:i\nx|assistant:c*", "user:a|assistant:b|user:i\nx|assistant:r*"},
      {R"({"question":"q","chosen":"c","rejected":"r"})", "user:q|assistant:c*",
       "user:q|assistant:r*"},
  };
  for (const auto& row : rows) {
    const Parsed parsed = parse(row.line);
    EXPECT_EQ(parsed.reason, "") << row.line;
    EXPECT_EQ(parsed.format, "preference");
    EXPECT_EQ(parsed.example.mark, RowMark::kChosen);
    ASSERT_EQ(parsed.example.rejected.size(), 1u);
    EXPECT_EQ(parsed.example.rejected[0].mark, RowMark::kRejected);
    EXPECT_EQ(parsed.example.rejected[0].kind, parsed.example.kind);
    EXPECT_EQ(told(parsed.example), row.chosen);
    EXPECT_EQ(told(parsed.example.rejected[0]), row.rejected);
  }
}

TEST(Preference, GivesBothAnswersTheTools) {
  const Parsed parsed = parse(
      R"({"tools":[{"type":"function","function":{"name":"f"}}],"prompt":[{"role":"user","content":"q"}],
          "chosen":[{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{}}}]}],
          "rejected":[{"role":"assistant","content":"r"}]})");
  EXPECT_EQ(parsed.reason, "");
  EXPECT_EQ(parsed.example.tools.size(), 1u);
  EXPECT_EQ(parsed.example.rejected.at(0).tools, parsed.example.tools);
}

TEST(Preference, GivesAReasonForEveryBadField) {
  const std::string turn = R"({"role":"assistant","content":"SECRET"})";
  const std::pair<std::string, const char*> rows[] = {
      {R"({"prompt":"p","chosen":"SECRET","rejected":"SECRET"})",
       "'chosen' and 'rejected' are the same; a pair needs a better and a worse answer"},
      {R"({"question":"q","chosen":"SECRET","rejected":"SECRET"})",
       "'chosen' and 'rejected' are the same; a pair needs a better and a worse answer"},
      {R"({"chosen":[)" + turn + R"(],"rejected":[)" + turn + "]}", "the row has no prompt"},
      {R"({"prompt":"p","chosen":"","rejected":"r"})", "'chosen' is empty"},
      {R"({"prompt":"p","chosen":"c","rejected":""})", "'rejected' is empty"},
      {R"({"prompt":"p","chosen":"c","rejected":7})", "'rejected' is not a text"},
      {R"({"question":"q","chosen":7,"rejected":"r"})",
       "'chosen' is neither a message nor a list of them"},
      {R"({"question":"q","chosen":[7],"rejected":"r"})", "'chosen': message 1: not an object"},
      {R"({"question":"q","chosen":"c","rejected":{"role":"SECRET"}})",
       "'rejected': unknown role; expected system, user, assistant or tool"},
      {R"({"question":"q","chosen":"c","rejected":[]})",
       "'rejected' does not begin with an answer of the assistant"},
      {R"({"question":"q","chosen":"","rejected":"r"})",
       "message 2: the assistant's text is empty"},
      {R"({"question":"q","chosen":{"role":"assistant","content":"c","train":false},"rejected":"r"})",
       "'chosen' has nothing that is trained"},
      {R"({"chosen":[{"role":"user","content":"a"}],"rejected":[{"role":"user","content":"b"}]})",
       "'chosen' and 'rejected' do not begin with the same messages"},
      {R"({"prompt":"SECRET","chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"c"}],
           "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"r"}]})",
       "the prompt is not among the messages that 'chosen' and 'rejected' begin with"},
      {R"({"chosen":[{"role":"user","content":"q"}],"rejected":[{"role":"user","content":"q"}]})",
       "'chosen' and 'rejected' are the same; a pair needs a better and a worse answer"},
  };
  for (const auto& [line, reason] : rows) {
    const Parsed parsed = parse(line);
    EXPECT_EQ(parsed.format, "preference") << line;
    EXPECT_EQ(parsed.reason, reason) << line;
  }
}

TEST(Kto, ReadsEveryShape) {
  const struct {
    const char* line;
    RowMark mark;
    const char* told;
  } rows[] = {
      {R"({"prompt":"p","completion":" c","label":true})", RowMark::kGood, "p| c*"},
      {R"({"prompt":[{"role":"user","content":"q"}],"completion":[{"role":"assistant","content":"c"}],"label":false})",
       RowMark::kBad, "user:q|assistant:c*"},
      {R"({"prompt":[{"role":"user","content":"q"}],"completion":"c","label":false})",
       RowMark::kBad, "user:q|assistant:c*"},
      {R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},
           {"role":"user","content":"n"},{"role":"assistant","content":"c"}],"kto_tag":true})",
       RowMark::kGood, "user:q|assistant:a|user:n|assistant:c*"},
      {R"({"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"c"}],"kto_tag":false})",
       RowMark::kBad, "user:q|assistant:c*"},
      {R"({"instruction":"i","output":"o","kto_tag":true})", RowMark::kGood, "user:i|assistant:o*"},
      {R"({"question":"q","answer":"a","kto_tag":true})", RowMark::kGood, "user:q|assistant:a*"},
  };
  for (const auto& row : rows) {
    const Parsed parsed = parse(row.line);
    EXPECT_EQ(parsed.reason, "") << row.line;
    EXPECT_EQ(parsed.format, "kto");
    EXPECT_EQ(parsed.example.mark, row.mark);
    EXPECT_EQ(told(parsed.example), row.told);
  }
}

TEST(Kto, IsNotWhatHasAnotherLabel) {
  EXPECT_EQ(parse(R"({"prompt":"p","completion":"c","label":"good"})").format, "completion");
  EXPECT_EQ(parse(R"({"text":"t","label":true})").format, "text");
}

TEST(Kto, GivesAReasonForEveryBadField) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"SECRET"}],"kto_tag":true})",
       "the last message is not the assistant's; the vote is about its answer"},
      {R"({"messages":"SECRET","kto_tag":true})", "'messages' is not a list"},
      {R"({"prompt":[7],"completion":"c","label":true})", "'prompt': message 1: not an object"},
      {R"({"prompt":[],"completion":"","label":true})", "message 1: the assistant's text is empty"},
      {R"({"prompt":"p","completion":{"role":"user","content":"c"},"label":true})",
       "the last message is not the assistant's; the vote is about its answer"},
      {R"({"prompt":"p","completion":"","label":true})", "'completion' is empty"},
  };
  for (const auto& [line, reason] : rows) {
    EXPECT_EQ(parse(line).format, "kto") << line;
    EXPECT_EQ(parse(line).reason, reason) << line;
  }
}

Dataset loaded(const std::string& content, DataConfig config = {}, double weight = 1.0) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer({"<|endoftext|>"}), folder);
  folder.write("tokenizer_config.json", R"({"eos_token":"<|endoftext|>"})");
  const std::vector<Source> sources = {{folder.write("a.jsonl", content), weight}};
  return load_dataset(sources, config, Tokenizer::load(folder.path()),
                      &ChatTemplate::by_name("chatml"));
}

constexpr const char* kPair = R"({"question":"q","chosen":"cc","rejected":"r"})"
                              "\n";
constexpr const char* kUp = R"({"prompt":"p","completion":"c","label":true})"
                            "\n";
constexpr const char* kDown = R"({"prompt":"p","completion":"c","label":false})"
                              "\n";
constexpr const char* kPlain = R"({"prompt":"p","completion":"c"})"
                               "\n";

std::vector<RowMark> marks(const Rows& rows) {
  std::vector<RowMark> result;
  for (const Row row : rows) result.push_back(row.mark());
  return result;
}

TEST(RatedRows, APairIsTwoRowsOfOneLine) {
  const Dataset pairs = loaded(std::string(kPair) + kPair, {}, 2.0);
  EXPECT_THAT(
      marks(pairs.rows),
      ElementsAre(RowMark::kChosen, RowMark::kRejected, RowMark::kChosen, RowMark::kRejected,
                  RowMark::kChosen, RowMark::kRejected, RowMark::kChosen, RowMark::kRejected));
  EXPECT_EQ(pairs.rows.length(0), pairs.rows.length(1) + 1);
  EXPECT_TRUE(pairs.rows.goes_on(1));
  EXPECT_EQ(pairs.counts.rows, 2);
  EXPECT_EQ(pairs.counts.duplicates, 1);
  EXPECT_EQ(count_rated(pairs.rows).pairs, 4);
  // What comes in front of the answer does not train, and it is the same.
  const Tokens chosen = pairs.rows[0].tokens(), rejected = pairs.rows[1].tokens();
  size_t start = 0;
  while (chosen.labels[start] == kNotTrained) ++start;
  EXPECT_TRUE(std::equal(chosen.ids.begin(), chosen.ids.begin() + static_cast<long>(start),
                         rejected.ids.begin()));
  EXPECT_EQ(rejected.labels[start], rejected.ids[start]);
}

TEST(RatedRows, APairStaysWholeInValidation) {
  std::string content;
  for (char c = 'a'; c < 'k'; ++c)
    content += std::string(R"({"question":")") + c + R"(","chosen":"c","rejected":"r"})" + "\n";
  Dataset train = loaded(content);
  const Dataset valid = split_validation(train, 0.3, 7);
  EXPECT_EQ(count_rated(train.rows).pairs, 7);
  EXPECT_EQ(train.rows.size(), 14u);
  EXPECT_EQ(count_rated(valid.rows).pairs, 3);
  EXPECT_EQ(valid.rows.size(), 6u);
}

TEST(RatedRows, AVoteThatDiffersIsNoDuplicate) {
  const Dataset votes = loaded(std::string(kUp) + kDown + kDown);
  EXPECT_THAT(marks(votes.rows), ElementsAre(RowMark::kGood, RowMark::kBad, RowMark::kBad));
  EXPECT_EQ(votes.counts.duplicates, 1);
  EXPECT_EQ(count_rated(votes.rows).good, 1);
  EXPECT_EQ(count_rated(votes.rows).bad, 2);
}

TEST(RatedRows, AnswersOfTheSameTokensAreRefused) {
  // The tokenizer composes the accent of the second answer.
  EXPECT_TRUE(raises("D004", {"a.jsonl:1", "'chosen' and 'rejected' give the same tokens"}, [] {
    loaded("{\"prompt\":\"p\",\"chosen\":\"\\u00e9\",\"rejected\":\"e\\u0301\"}\n");
  }));
}

TEST(RatedRows, APairIsTooLongWhenOneAnswerIs) {
  const std::string rows = std::string(kPair) + R"({"question":"q","chosen":"c","rejected":")" +
                           std::string(90, 'r') + "\"}\n";
  DataConfig config;
  config.max_tokens = 60;
  EXPECT_TRUE(raises("D010", {"a.jsonl:2"}, [&] { loaded(rows, config); }));
  config.too_long = "drop";
  EXPECT_EQ(count_rated(loaded(rows, config).rows).pairs, 1);
  config.too_long = "truncate";
  const Dataset cut = loaded(rows, config);
  EXPECT_EQ(count_rated(cut.rows).pairs, 2);
  EXPECT_EQ(cut.rows.length(3), 60);
}

TEST(RatedRows, AnswersThatDifferOnlyInWhatIsCutOffAreLeftOut) {
  const std::string same(90, 'x');
  DataConfig config;
  config.max_tokens = 60;
  config.too_long = "truncate";
  const Dataset cut = loaded(std::string(kPair) + R"({"question":"q","chosen":")" + same +
                                 R"(a","rejected":")" + same + "b\"}\n",
                             config);
  EXPECT_EQ(count_rated(cut.rows).pairs, 1);
  EXPECT_EQ(cut.counts.empty, 1);
}

TEST(RatedRows, EachObjectiveHasItsOwn) {
  const Dataset plain = loaded(kPlain), pairs = loaded(kPair),
                votes = loaded(std::string(kUp) + kDown);
  check_objective(plain.rows, "sft");
  check_objective(pairs.rows, "dpo");
  check_objective(votes.rows, "kto");
  EXPECT_TRUE(raises("D040", {"a.jsonl:1", "a pair of answers", "objective sft", "objective: dpo"},
                     [&] { check_objective(pairs.rows, "sft"); }));
  EXPECT_TRUE(raises("D040", {"an answer with a vote", "'objective: kto'", "data.format"},
                     [&] { check_objective(votes.rows, "sft"); }));
  EXPECT_TRUE(raises("D040", {"not rated", "'objective: sft'", "'chosen' and 'rejected'"},
                     [&] { check_objective(plain.rows, "dpo"); }));
  EXPECT_TRUE(raises("D040", {"'objective: dpo'", "'label' or 'kto_tag'"},
                     [&] { check_objective(pairs.rows, "kto"); }));
  const Dataset mixed = loaded(std::string(kUp) + kPlain);
  EXPECT_TRUE(raises("D040", {"a.jsonl:2"}, [&] { check_objective(mixed.rows, "kto"); }));
  EXPECT_TRUE(
      raises("D041", {"at least two rows"}, [] { check_objective(loaded(kUp).rows, "kto"); }));
}

TEST(RatedRows, ADeclaredShapeLearnsRatedAnswersAsTheyAre) {
  DataConfig config;
  config.format = "completion";
  const Dataset rows = loaded(std::string(kUp) + kDown, config);
  check_objective(rows.rows, "sft");
  EXPECT_EQ(rows.rows.size(), 2u);
}

TEST(RatedRows, GoodAnswersAreThoseToScore) {
  const Dataset all = loaded(std::string(kPair) + kUp + kDown + kPlain);
  EXPECT_THAT(marks(good_answers(all).rows),
              ElementsAre(RowMark::kChosen, RowMark::kGood, RowMark::kNone));
}

}  // namespace
}  // namespace slmtune::data
