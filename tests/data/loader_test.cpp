#include "data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/error.h"
#include "core/seed.h"
#include "core/sha256.h"
#include "tests/data/small_tokenizer.h"

namespace slmtune::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;

// Diagnostics as "line:code", "" for the file itself.
std::vector<std::string> mistakes(const std::string& content, const std::string& format = "auto") {
  TempFolder folder;
  const std::filesystem::path file = folder.write("a.jsonl", content);
  try {
    read_examples(file, format);
    return {};
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("SECRET")));
    std::vector<std::string> result;
    for (const Diagnostic& one : error.diagnostics())
      result.push_back(one.where.substr(file.string().size()) + " " + one.code);
    return result;
  }
}

TEST(ReadExamples, ToleratesByteOrderMarkCarriageReturnsAndBlankLines) {
  TempFolder folder;
  const auto file =
      folder.write("a.jsonl", "\xEF\xBB\xBF{\"text\":\"a\"}\r\n\r\n  \n{\"text\":\"b\"}");
  std::vector<std::string> places;
  ::testing::internal::CaptureStderr();
  const auto examples = read_examples(file, "auto", &places);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "note: " + file.string() + ": left out a byte order mark and Windows line ends\n");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[1].spans[0].text, "b");
  EXPECT_THAT(places, ElementsAre(file.string() + ":1", file.string() + ":4"));
}

TEST(ReadExamples, ReportsEveryBadLineWithItsReason) {
  EXPECT_THAT(mistakes("{\"text\":\"ok\"}\n"
                       "{\"text\": SECRET\n"
                       "[1]\n"
                       "{\"body\":\"SECRET\"}\n"
                       "{\"text\":3}\n"
                       "{\"messages\":[{\"role\":\"user\",\"content\":\"SECRET\"}]}\n"
                       "{\"text\":\"\xFF SECRET\"}\n"
                       "{\"text\": NaN}\n"
                       "{\"text\": \"\\ud800\"}\n"
                       "{\"input_ids\":[1,2],\"labels\":[-100,-100]}\n"),
              ElementsAre(":2 D002", ":3 D002", ":4 D003", ":5 D004", ":6 D005", ":7 D006",
                          ":8 D002", ":9 D002", ":10 D005"));
}

TEST(ReadExamples, ListsTwentyAndCountsTheRest) {
  std::string content;
  for (int i = 0; i < 30; ++i) content += "{}\n";
  const auto found = mistakes(content);
  ASSERT_EQ(found.size(), 21u);
  EXPECT_EQ(found.back(), " D003");
}

TEST(ReadExamples, BoundsDepthAndLineLength) {
  EXPECT_THAT(
      mistakes("{\"text\":\"a\",\"x\":" + std::string(100, '[') + std::string(100, ']') + "}"),
      ElementsAre(":1 D002"));
  EXPECT_THAT(mistakes("{\"text\":\"" + std::string(17 << 20, 'a') + "\"}"),
              ElementsAre(":1 D002"));
}

TEST(ReadExamples, HoldsToTheDeclaredShape) {
  EXPECT_THAT(mistakes("{\"text\":\"a\"}\n", "messages"), ElementsAre(":1 D003"));
  EXPECT_THAT(mistakes("{\"text\":\"a\",\"messages\":[]}\n", "text"), ElementsAre());
}

TEST(ReadExamples, DamagedRowsNeverCrash) {
  TempFolder folder;
  const std::string whole =
      R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"b"}],"weight":1}]})";
  SplitMix64 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string damaged =
        whole.substr(0, round % 3 == 0 ? random.below(whole.size()) : whole.size());
    if (damaged.empty()) continue;
    damaged[random.below(damaged.size())] = "0\"{}[],:-x\xFF\n\\"[random.below(13)];
    const auto file = folder.write("a.jsonl", damaged);
    try {
      read_examples(file, "auto");
    } catch (const UserError& error) {
      EXPECT_EQ(error.code()[0], 'D');
    }
  }
}

TEST(ReadExamples, AnEmptyFileHasNoRows) {
  EXPECT_THAT(mistakes(""), ElementsAre(" D001"));
  EXPECT_THAT(mistakes("\n\n"), ElementsAre(" D001"));
}

std::vector<std::string> places_of(const Dataset& data) {
  std::vector<std::string> places;
  for (size_t i = 0; i < data.rows.size(); ++i) places.push_back(data.rows.place(i));
  return places;
}

class LoadDataset : public ::testing::Test {
 protected:
  LoadDataset() : tokenizer_(load_tokenizer()) {}

  Tokenizer load_tokenizer() {
    folder_.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
    return load(small_tokenizer(), folder_);
  }

  Dataset dataset(const std::string& content, double weight = 1.0) {
    const auto file = folder_.write("a.jsonl", content);
    const std::vector<Source> sources = {{file, weight, ""}};
    return load_dataset(sources, config_, tokenizer_, &ChatTemplate::by_name("chatml"));
  }

  std::string code(const std::string& content) {
    try {
      dataset(content);
      return "";
    } catch (const Error& error) {
      text_ = error.what();
      return error.code();
    }
  }

  TempFolder folder_;
  DataConfig config_;
  Tokenizer tokenizer_;
  std::string text_;
};

TEST_F(LoadDataset, CountsRowsTokensAndDuplicates) {
  const std::string content = "{\"text\":\"abc\"}\n{\"text\":\"abc\"}\n{\"text\":\"x\"}\n";
  const Dataset data = dataset(content);
  EXPECT_EQ(data.counts.rows, 3);
  EXPECT_EQ(data.counts.kept, 3);
  EXPECT_EQ(data.counts.duplicates, 1);
  EXPECT_EQ(data.counts.tokens, 6);
  EXPECT_EQ(data.counts.trained_tokens, 3);
  EXPECT_EQ(data.counts.longest, 2);
  EXPECT_EQ(data.sha256, sha256(content));
}

TEST_F(LoadDataset, WarnsOfASystemTextThatTheTemplateDoesNotShow) {
  TempFolder folder;
  const Tokenizer tokenizer = load(small_tokenizer({"<s>", "</s>", "[INST]", "[/INST]"}), folder);
  const std::string turns =
      R"({"role":"user","content":"SECRET"},{"role":"assistant","content":"b"}]})";
  const auto file = folder.write("a.jsonl", R"({"messages":[{"role":"system","content":"s"},)" +
                                                turns + "\n" + R"({"messages":[)" + turns + "\n");
  const std::vector<Source> sources = {{file, 1.0, ""}};
  const auto said = [&](const char* chat) {
    ::testing::internal::CaptureStderr();
    load_dataset(sources, config_, tokenizer, &ChatTemplate::by_name(chat));
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(said("mistral-v3"), HasSubstr("1 rows have a system text that is not trained with"));
  EXPECT_THAT(said("mistral-v3"), ::testing::Not(HasSubstr("SECRET")));
  EXPECT_EQ(said("mistral-v7"), "");
}

TEST_F(LoadDataset, KeepsTheOrderOfManyRows) {
  std::string content;
  for (int i = 0; i < 1000; ++i) content += "{\"text\":\"" + std::to_string(i) + "\"}\n";
  const Dataset data = dataset(content);
  ASSERT_EQ(data.rows.size(), 1000u);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(tokenizer_.decode(data.rows[static_cast<size_t>(i)].ids()), std::to_string(i));
}

TEST_F(LoadDataset, LongRowsAreRefusedDroppedOrTruncated) {
  config_.max_tokens = 16;
  const std::string content = "{\"text\":\"x\"}\n{\"text\":\"" + std::string(40, 'z') + "\"}\n";
  EXPECT_EQ(code(content), "D010");
  EXPECT_THAT(text_, HasSubstr("a.jsonl:2"));
  EXPECT_THAT(text_, HasSubstr("41 tokens"));
  config_.too_long = "drop";
  EXPECT_EQ(dataset(content).counts.dropped_too_long, 1);
  EXPECT_EQ(dataset(content).rows.size(), 1u);
  config_.too_long = "truncate";
  const Dataset cut = dataset(content);
  EXPECT_EQ(cut.counts.truncated, 1);
  EXPECT_EQ(cut.rows[1].ids().size(), 16u);
}

TEST_F(LoadDataset, ATruncatedRowWithoutTrainedTokensIsLeftOutAndCounted) {
  config_.max_tokens = 16;
  config_.too_long = "truncate";
  const std::string late = "{\"prompt\":\"" + std::string(40, 'z') + "\",\"completion\":\"x\"}\n";
  const Dataset data = dataset("{\"text\":\"x\"}\n" + late);
  EXPECT_EQ(data.counts.empty, 1);
  EXPECT_EQ(data.rows.size(), 1u);
  EXPECT_EQ(code(late), "D001");
}

TEST_F(LoadDataset, WeightsRepeatAndThin) {
  std::string content;
  for (int i = 0; i < 400; ++i) content += "{\"text\":\"" + std::to_string(i) + "\"}\n";
  EXPECT_EQ(dataset(content, 2.0).rows.size(), 800u);
  const size_t half = dataset(content, 0.5).rows.size();
  EXPECT_NEAR(static_cast<double>(half), 200, 50);
  EXPECT_EQ(places_of(dataset(content, 0.5)), places_of(dataset(content, 0.5)));
}

// Rows of each text, by how often they are there.
std::map<std::string, int> copies_of(const Dataset& data) {
  std::map<std::string, int> copies;
  for (size_t i = 0; i < data.rows.size(); ++i) ++copies[data.rows.place(i)];
  return copies;
}

TEST_F(LoadDataset, AFractionOfAWeightTakesThatShareAndAlwaysTheSameRows) {
  std::string content;
  for (int i = 0; i < 4000; ++i) content += "{\"text\":\"" + std::to_string(i) + "\"}\n";
  const auto quarter = copies_of(dataset(content, 0.25)), more = copies_of(dataset(content, 2.25));
  EXPECT_NEAR(static_cast<double>(quarter.size()), 1000, 90);
  EXPECT_EQ(more.size(), 4000u);
  for (const auto& [place, copies] : more) EXPECT_EQ(copies, 2 + quarter.contains(place)) << place;
  // Rows that are added change nothing for the others.
  const auto longer = copies_of(dataset(content + content, 0.25));
  for (const auto& [place, copies] : quarter) EXPECT_TRUE(longer.contains(place));
}

TEST_F(LoadDataset, NamesRowsThatCannotBeTokenised) {
  EXPECT_EQ(code("{\"input_ids\":[1,5000]}\n"), "D004");
  EXPECT_EQ(code("{\"input_ids\":[1]}\n"), "D005");
  EXPECT_THAT(text_, HasSubstr("a.jsonl:1"));
}

TEST_F(LoadDataset, EveryBadLineOfALongFileIsReported) {
  std::string content;
  for (int i = 1; i <= 12000; ++i)
    content += i % 4000 == 5 ? "{\"body\":1}\n" : "{\"text\":\"" + std::to_string(i) + "\"}\n";
  EXPECT_EQ(code(content), "D003");
  for (const char* line : {"a.jsonl:5:", "a.jsonl:4005:", "a.jsonl:8005:"})
    EXPECT_THAT(text_, HasSubstr(line));
}

TEST_F(LoadDataset, BadLinesComeBeforeWhatIsWrongWithTheModelFolder) {
  const std::string chat = R"({"messages":[{"role":"user","content":"a"},)"
                           R"({"role":"assistant","content":"b"}]})"
                           "\n";
  const auto code_of = [&](const std::string& content) {
    const std::vector<Source> sources = {{folder_.write("b.jsonl", content), 1.0, ""}};
    try {
      load_dataset(sources, config_, tokenizer_, nullptr);
    } catch (const Error& error) {
      return error.code();
    }
    return std::string();
  };
  EXPECT_EQ(code_of(chat + chat), "F041");
  EXPECT_EQ(code_of(chat + chat + "[]\n"), "D002");
}

TEST_F(LoadDataset, AMissingFileNamesThePlaceInTheRecipe) {
  const std::vector<Source> sources = {{"nowhere.jsonl", 1.0, "r.yaml:3:4"}};
  try {
    load_dataset(sources, config_, tokenizer_, nullptr);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "N001");
    EXPECT_EQ(error.diagnostics()[0].where, "r.yaml:3:4");
  }
}

TEST_F(LoadDataset, SplitsValidationByRowNotByCopy) {
  std::string content;
  for (int i = 0; i < 100; ++i) content += "{\"text\":\"" + std::to_string(i) + "\"}\n";
  Dataset train = dataset(content, 2.0), again = dataset(content, 2.0);
  const Dataset valid = split_validation(train, 0.1, 7);
  EXPECT_EQ(valid.rows.size(), 10u);
  EXPECT_EQ(train.rows.size(), 180u);
  EXPECT_EQ(train.counts.kept, 180);
  const std::vector<std::string> places = places_of(valid);
  const std::set<std::string> held(places.begin(), places.end());
  for (const std::string& place : places_of(train)) EXPECT_FALSE(held.contains(place));
  EXPECT_EQ(places_of(split_validation(again, 0.1, 7)), places);
}

TEST_F(LoadDataset, ASplitLeavesBothSidesARow) {
  Dataset two = dataset("{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
  EXPECT_EQ(split_validation(two, 0.01, 1).rows.size(), 1u);
  EXPECT_EQ(two.rows.size(), 1u);
  EXPECT_THROW(split_validation(two, 0.5, 1), UserError);
}

}  // namespace
}  // namespace slmtune::data
