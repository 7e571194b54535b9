#include "data/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/data/small_tokenizer.h"

namespace slmtune::data {
namespace {

using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;
namespace fs = std::filesystem;

// A store that is trained week after week on the rows that are in the file then.
class Replay : public ::testing::Test {
 protected:
  Replay() : tokenizer_(load_tokenizer()) {
    config_.replay.fraction = 0.5;
    store_ = {folder_.path() / "replay", text_settings(tokenizer_, nullptr), tokenizer_.size(), {}};
  }

  Tokenizer load_tokenizer() {
    folder_.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
    return load(small_tokenizer(), folder_);
  }

  static std::string text_of(int number) { return "row " + std::to_string(number); }

  static std::string rows(int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i)
      text += R"({"id":)" + std::to_string(i) + R"(,"text":")" + text_of(i) + "\"}\n";
    return text;
  }

  Dataset data(const std::string& content) {
    const std::vector<Source> sources = {{folder_.write("a.jsonl", content), 1.0, ""}};
    return load_dataset(sources, config_, tokenizer_, nullptr);
  }

  // A training that publishes the snapshot `number`.
  Dataset train(const std::string& content, int64_t number, uint64_t seed = 7) {
    Dataset rows = data(content);
    add_replay(rows, nullptr, store_, config_, seed);
    store_.snapshots.push_back(number);
    keep_rows(rows, store_, number);
    return rows;
  }

  std::vector<std::string> replayed(const Dataset& data) const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < data.rows.size(); ++i)
      if (data.rows.place(i).starts_with("replay"))
        texts.push_back(tokenizer_.decode(data.rows[i].ids()));
    return texts;
  }

  Dataset next_week(uint64_t seed = 7) {
    Dataset rows = data(NextWeek());
    add_replay(rows, nullptr, store_, config_, seed);
    return rows;
  }
  static std::string NextWeek() { return rows(1000, 20); }

  int64_t forget(const std::string& field, const std::string& value) {
    const std::vector<RowDigest> keys = {field_key(field, value)};
    return forget_kept_rows(store_.folder, keys);
  }

  TempFolder folder_;
  DataConfig config_;
  Tokenizer tokenizer_;
  ReplayStore store_;
};

TEST_F(Replay, BringsBackRowsThatAreGoneFromTheFile) {
  EXPECT_TRUE(train(rows(0, 40), 1).counts.replayed.empty());
  const Dataset second = train(rows(30, 40), 2);
  EXPECT_EQ(second.rows.size(), 60u);
  EXPECT_EQ(second.counts.kept, 60);
  EXPECT_EQ(second.counts.replayed, (std::map<int64_t, int64_t>{{1, 20}}));
  std::set<std::string> gone;
  for (int i = 0; i < 30; ++i) gone.insert(text_of(i));
  const std::vector<std::string> texts = replayed(second);
  EXPECT_EQ(std::set(texts.begin(), texts.end()).size(), 20u);
  for (const std::string& text : texts) EXPECT_TRUE(gone.contains(text)) << text;
  EXPECT_EQ(second.rows.place(59).substr(0, 21), "replay of snapshot #1");
}

TEST_F(Replay, AKeptRowIsWholeWithItsLabelsAndKeys) {
  const Dataset first = train(rows(0, 1), 1);
  config_.replay.fraction = 1;
  const Dataset second = next_week();
  ASSERT_EQ(second.rows.size(), 21u);
  EXPECT_EQ(second.rows[20].tokens().ids, first.rows[0].tokens().ids);
  EXPECT_EQ(second.rows[20].tokens().labels, first.rows[0].tokens().labels);
  EXPECT_EQ(second.rows[20].record().row_key(), first.rows[0].record().row_key());
  EXPECT_EQ(second.rows[20].record().field_keys().size(), 2u);
}

TEST_F(Replay, PairsComeBackAsPairsAndCountOnce) {
  const auto pairs = [](int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i)
      text += R"({"prompt":")" + text_of(i) + R"( ","chosen":"yes","rejected":"no"})" + "\n";
    return text;
  };
  train(pairs(0, 10) + rows(50, 5), 1);
  Dataset second = data(pairs(20, 8));
  add_replay(second, nullptr, store_, config_, 7);
  EXPECT_EQ(second.counts.replayed, (std::map<int64_t, int64_t>{{1, 4}}));
  ASSERT_EQ(second.rows.size(), 24u);
  for (size_t i = 0; i < 24; ++i)
    EXPECT_EQ(second.rows[i].mark(), i % 2 ? RowMark::kRejected : RowMark::kChosen);
}

TEST_F(Replay, TheSeedDecidesWhichAndNothingElse) {
  train(rows(0, 40), 1);
  const std::vector<std::string> once = replayed(next_week()), again = replayed(next_week());
  EXPECT_EQ(once.size(), 10u);
  EXPECT_EQ(once, again);
  EXPECT_NE(once, replayed(next_week(8)));
  EXPECT_EQ(next_week().sha256, next_week().sha256);
  EXPECT_NE(next_week().sha256, data(NextWeek()).sha256);
}

TEST_F(Replay, ValidationRowsAreNotReplayed) {
  train(rows(0, 40), 1);
  Dataset present = data(NextWeek());
  const Dataset valid = data(rows(0, 35));
  add_replay(present, &valid, store_, config_, 7);
  EXPECT_EQ(replayed(present).size(), 5u);
}

TEST_F(Replay, ForgottenRowsAreNeverReplayed) {
  train(rows(0, 10), 1);
  EXPECT_EQ(forget("id", "4"), 1);
  EXPECT_EQ(forget("id", "4"), 0);
  EXPECT_EQ(forget("text", text_of(6)), 1);
  const std::vector<RowDigest> whole = {data(rows(8, 1)).rows[0].record().row_key()};
  EXPECT_EQ(forget_kept_rows(store_.folder, whole), 1);
  config_.replay.fraction = 1;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<std::string> texts = replayed(next_week(seed));
    EXPECT_EQ(texts.size(), 7u);
    for (int gone : {4, 6, 8})
      EXPECT_THAT(texts, ::testing::Not(::testing::Contains(text_of(gone))));
  }
}

TEST_F(Replay, OtherRowsStayWhenOneIsForgotten) {
  train(rows(0, 10), 1);
  train(rows(10, 10), 2);
  forget("id", "12");
  config_.replay.fraction = 1;
  EXPECT_EQ(next_week().counts.replayed, (std::map<int64_t, int64_t>{{1, 10}, {2, 9}}));
}

TEST_F(Replay, RowsBelongToTheNewestSnapshotWhoseDataTheyWereIn) {
  train(rows(0, 20), 1);
  train(rows(10, 10), 2);  // 10 to 19 again; what is replayed stays with 1
  config_.replay.fraction = 1;
  EXPECT_EQ(next_week().counts.replayed, (std::map<int64_t, int64_t>{{1, 10}, {2, 10}}));
}

TEST_F(Replay, RowsOfARemovedSnapshotAreNotUsedAndThenDropped) {
  train(rows(0, 20), 1);
  train(rows(20, 20), 2);
  store_.snapshots = {2};
  config_.replay.fraction = 1;
  EXPECT_EQ(next_week().counts.replayed, (std::map<int64_t, int64_t>{{2, 20}}));
  train(NextWeek(), 3);
  EXPECT_EQ(forget("id", "5"), 0) << "the row is gone already";
}

TEST_F(Replay, KeepingTheSameRowsAgainChangesNothing) {
  const Dataset rows = train(Replay::rows(0, 20), 1);
  const auto kept = TempFolder::read(store_.folder / (store_.settings + ".rows"));
  keep_rows(rows, store_, 1);
  EXPECT_EQ(TempFolder::read(store_.folder / (store_.settings + ".rows")), kept);
}

TEST_F(Replay, ALowerLimitLeavesLongRowsOut) {
  train(rows(0, 10) + "{\"text\":\"" + std::string(40, 'z') + "\"}\n", 1);
  config_.max_tokens = 16;
  config_.replay.fraction = 1;
  EXPECT_EQ(replayed(next_week()).size(), 10u);
}

TEST_F(Replay, ADamagedFileIsToldAndGivesNothing) {
  train(rows(0, 10), 1);
  const fs::path file = store_.folder / (store_.settings + ".rows");
  const std::string whole = TempFolder::read(file);
  folder_.write("replay/" + file.filename().string(), whole.substr(0, whole.size() / 2));
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(replayed(next_week()).empty());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("damaged"));
  EXPECT_EQ(forget("id", "1"), 0);
  EXPECT_FALSE(fs::exists(file)) << "what it held cannot be told, so it is deleted";
}

TEST_F(Replay, RowsOfAnotherTokenizerAreKeptApartAndGoWithTheirSnapshots) {
  train(rows(0, 10), 1);
  const std::string mine = store_.settings;
  store_.settings = std::string(32, 'f');
  EXPECT_TRUE(next_week().counts.replayed.empty());
  train(rows(50, 10), 2);
  EXPECT_TRUE(fs::exists(store_.folder / (mine + ".rows")));
  store_.snapshots = {2};
  train(rows(50, 10), 3);
  EXPECT_FALSE(fs::exists(store_.folder / (mine + ".rows")));
}

}  // namespace
}  // namespace slmtune::data
