#include "data/token_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/error.h"
#include "data/loader.h"
#include "tests/data/small_tokenizer.h"

namespace slmtune::data {
namespace {

using testing::load;
using testing::small_tokenizer;
using testing::TempFolder;
namespace fs = std::filesystem;

class Cache : public ::testing::Test {
 protected:
  Cache() : tokenizer_(load_tokenizer()) {}

  Tokenizer load_tokenizer() {
    folder_.write("tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
    return load(small_tokenizer(), folder_);
  }

  fs::path folder() const { return folder_.path() / "cache"; }

  TokenCache open(const std::string& format = "auto") {
    return {folder(), tokeniser_settings(tokenizer_, nullptr, format), tokenizer_.size()};
  }

  static std::string rows(int first, int count) {
    std::string text;
    for (int i = first; i < first + count; ++i)
      text += R"({"id":)" + std::to_string(i) + R"(,"text":"row )" + std::to_string(i) + "\"}\n";
    return text;
  }

  // Loads `content` with the cache as train does.
  Dataset cached(const std::string& content) {
    TokenCache cache = open();
    Dataset data = plain(content, &cache);
    cache.finish();
    return data;
  }

  Dataset plain(const std::string& content, TokenCache* cache = nullptr) {
    const std::vector<Source> sources = {{folder_.write("a.jsonl", content), 1.0, ""}};
    return load_dataset(sources, config_, tokenizer_, nullptr, cache);
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder())) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
  }

  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const fs::path& file : files()) sum += fs::file_size(file);
    return sum;
  }

  static void expect_equal(const Dataset& a, const Dataset& b) {
    ASSERT_EQ(a.rows.size(), b.rows.size());
    for (size_t i = 0; i < a.rows.size(); ++i) {
      EXPECT_EQ(a.rows[i].tokens().ids, b.rows[i].tokens().ids);
      EXPECT_EQ(a.rows[i].tokens().labels, b.rows[i].tokens().labels);
      EXPECT_EQ(a.rows[i].record().row_key(), b.rows[i].record().row_key());
      EXPECT_EQ(a.rows.place(i), b.rows.place(i));
    }
    EXPECT_EQ(a.counts.tokens, b.counts.tokens);
    EXPECT_EQ(a.counts.trained_tokens, b.counts.trained_tokens);
    EXPECT_EQ(a.counts.duplicates, b.counts.duplicates);
    EXPECT_EQ(a.sha256, b.sha256);
  }

  TempFolder folder_;
  DataConfig config_;
  Tokenizer tokenizer_;
};

TEST_F(Cache, ASecondLoadTokenisesNothingAndGivesTheSameRows) {
  const std::string content = rows(0, 500) + rows(0, 20);
  const Dataset whole = plain(content);
  const Dataset first = cached(content), second = cached(content);
  EXPECT_EQ(first.counts.cached, 0);
  EXPECT_EQ(second.counts.cached, 520);
  EXPECT_EQ(whole.counts.duplicates, 20);
  expect_equal(first, whole);
  expect_equal(second, whole);
}

TEST_F(Cache, OnlyNewRowsAreTokenised) {
  cached(rows(0, 300));
  const Dataset data = cached(rows(100, 300));
  EXPECT_EQ(data.counts.cached, 200);
  expect_equal(data, plain(rows(100, 300)));
}

TEST_F(Cache, RowsThatAreGoneFromTheFileLeaveTheCache) {
  cached(rows(0, 1000));
  const uint64_t before = bytes();
  cached(rows(0, 100));
  EXPECT_LT(bytes(), before / 5);
  EXPECT_EQ(cached(rows(50, 100)).counts.cached, 50);
}

TEST_F(Cache, SmallFilesBecomeOne) {
  for (int week = 1; week <= 30; ++week) cached(rows(0, 10 * week));
  EXPECT_LE(files().size(), 9u);
  EXPECT_EQ(cached(rows(0, 300)).counts.cached, 300);
}

TEST_F(Cache, LimitsAreAppliedToCachedRows) {
  const std::string content = rows(0, 10) + "{\"text\":\"" + std::string(60, 'z') + "\"}\n";
  cached(content);
  config_.max_tokens = 16;
  config_.too_long = "truncate";
  const Dataset cut = cached(content);
  EXPECT_EQ(cut.counts.cached, 11);
  EXPECT_EQ(cut.counts.truncated, 1);
  EXPECT_EQ(cut.rows.length(10), 16);
  expect_equal(cut, plain(content));
}

TEST_F(Cache, PairsComeBackAsPairs) {
  std::string content;
  for (int i = 0; i < 20; ++i) {
    if (i == 10) cached(content);
    content +=
        R"({"prompt":"a)" + std::to_string(i) + R"( ","chosen":"yes","rejected":"no"})" + "\n";
  }
  const Dataset data = cached(content);
  EXPECT_EQ(data.counts.cached, 10);
  ASSERT_EQ(data.rows.size(), 40u);
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(data.rows.goes_on(i), i % 2 == 1);
    EXPECT_EQ(data.rows[i].mark(), i % 2 == 1 ? RowMark::kRejected : RowMark::kChosen);
  }
  expect_equal(data, plain(content));
}

TEST_F(Cache, OtherSettingsHaveRowsOfTheirOwn) {
  cached(rows(0, 10));
  EXPECT_NE(tokeniser_settings(tokenizer_, nullptr, "auto"),
            tokeniser_settings(tokenizer_, nullptr, "text"));
  EXPECT_NE(text_settings(tokenizer_, nullptr),
            text_settings(tokenizer_, &ChatTemplate::by_name("chatml")));
  TempFolder other;
  other.write("tokenizer_config.json", R"({"eos_token": "<|im_start|>"})");
  EXPECT_NE(text_settings(tokenizer_, nullptr),
            text_settings(load(small_tokenizer(), other), nullptr));
  TokenCache cache = open("text");
  EXPECT_EQ(plain(rows(0, 10), &cache).counts.cached, 0);
}

TEST_F(Cache, WhatWasTokenisedBeforeAMistakeIsNotDoneAgain) {
  EXPECT_THROW(cached(rows(0, 5000) + "{\"text\":\n"), UserError);
  EXPECT_EQ(cached(rows(0, 5000)).counts.cached, 5000);
}

TEST_F(Cache, DamageIsToldAndTokenisedAgain) {
  const std::string content = rows(0, 50);
  const Dataset whole = plain(content);
  for (const double place : {0.0, 0.3, 0.6, 0.999}) {
    cached(content);
    std::string bytes = TempFolder::read(files().front());
    bytes[static_cast<size_t>(place * static_cast<double>(bytes.size()))] ^= 1;
    folder_.write("cache/" + files().front().filename().string(), bytes);
    ::testing::internal::CaptureStderr();
    const Dataset data = cached(content);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::HasSubstr("damaged"));
    EXPECT_LT(data.counts.cached, 50);
    expect_equal(data, whole);
    EXPECT_EQ(cached(content).counts.cached, 50);
  }
}

TEST_F(Cache, AForeignFileIsLeftAlone) {
  cached(rows(0, 5));
  folder_.write("cache/notes.txt", "mine");
  cached(rows(0, 5));
  EXPECT_TRUE(fs::exists(folder() / "notes.txt"));
}

TEST_F(Cache, TwoProgramsAtOnceOnlyTokeniseTwice) {
  const std::string content = rows(0, 200);
  TokenCache one = open(), other = open();
  const Dataset first = plain(content, &one), second = plain(content, &other);
  one.finish();
  other.finish();
  expect_equal(first, second);
  EXPECT_EQ(cached(content).counts.cached, 200);
  expect_equal(cached(content), first);
}

TEST_F(Cache, FilesThatNoLoadUsedForAMonthAreDeleted) {
  cached(rows(0, 5));
  const fs::path old = files().front();
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(24 * 40));
  TokenCache cache = open("text");
  plain(rows(0, 5), &cache);
  cache.finish();
  EXPECT_FALSE(fs::exists(old));
}

TEST_F(Cache, AReaderWritesAndDeletesNothing) {
  cached(rows(0, 20));
  const std::vector<fs::path> before = files();
  const uint64_t size = bytes();
  TokenCache cache(folder(), tokeniser_settings(tokenizer_, nullptr, "auto"), tokenizer_.size(),
                   TokenCache::Use::kRead);
  const Dataset data = plain(rows(10, 20), &cache);
  cache.finish();
  EXPECT_EQ(data.counts.cached, 10);
  expect_equal(data, plain(rows(10, 20)));
  EXPECT_EQ(files(), before);
  EXPECT_EQ(bytes(), size);
}

TEST_F(Cache, DeletingItLeavesNothing) {
  cached(rows(0, 5));
  delete_token_cache(folder());
  EXPECT_FALSE(fs::exists(folder()));
  delete_token_cache(folder());
  EXPECT_EQ(cached(rows(0, 5)).counts.cached, 0);
}

}  // namespace
}  // namespace slmtune::data
