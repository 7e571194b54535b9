#include "store/retention.h"

#include <gtest/gtest.h>

#include "core/folder_removal.h"
#include "tests/store/store_fixture.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;
using Numbers = std::vector<int64_t>;

class Retention : public StoreTest {
 protected:
  // Long after everything that the test does: no promotion protects anything.
  static constexpr int64_t kLater = int64_t{1} << 40;

  Numbers kept(const RetentionRule& rule) {
    apply_retention(store, rule);
    return store.published();
  }

  std::string why(int64_t number, const RetentionRule& rule) {
    for (const Holding& one : plan_retention(store, rule))
      if (one.kind == Holding::Kind::kSnapshot && one.number == number) return one.why;
    return "not planned";
  }

  void write(const std::string& name, const std::string& text = "x") {
    folder.write("runs/faq/" + name, text);
  }
};

TEST_F(Retention, KeepsEverySnapshotUnlessAskedFor) {
  add(4);
  EXPECT_EQ(kept({{}, 8, kLater}), Numbers({1, 2, 3, 4}));
  EXPECT_EQ(why(1, {{}, 8, kLater}), "all stay");
}

TEST_F(Retention, KeepsTheNewestAndWhatAnAliasNames) {
  add(7);
  store.promote(1, "");
  store.promote(3, "");
  EXPECT_EQ(why(3, {2, 0, kLater}), "production");
  EXPECT_EQ(why(7, {2, 0, kLater}), "candidate, latest");
  EXPECT_EQ(why(6, {2, 0, kLater}), "one of the newest 2");
  EXPECT_EQ(why(5, {2, 0, kLater}), "older than the newest 2");
  EXPECT_EQ(kept({2, 0, kLater}), Numbers({1, 3, 6, 7}));
  store.verify(1);
}

TEST_F(Retention, KeepsWhatWasInProductionInTheLastWeeks) {
  add(6);
  for (int64_t number : {1, 2, 3, 4}) store.promote(number, "");
  const auto now = seconds_of_utc(store.journal().lines.back().time);
  ASSERT_TRUE(now);
  const int64_t week = 7 * 24 * 3600;
  EXPECT_EQ(why(1, {1, 8, *now + 7 * week}), "in production in the last 8 weeks");
  EXPECT_EQ(kept({1, 8, *now + 7 * week}), Numbers({1, 2, 3, 4, 6}));
  EXPECT_EQ(kept({1, 8, *now + 9 * week}), Numbers({3, 4, 6}));
}

TEST_F(Retention, AWithdrawnSnapshotGoesUnlessProductionNamesIt) {
  add(4);
  store.promote(2, "");
  store.withdraw({2, 3}, "asked");
  EXPECT_EQ(why(3, {{}, 0, kLater}), "withdrawn");
  EXPECT_EQ(kept({{}, 0, kLater}), Numbers({1, 2, 4}));
}

TEST_F(Retention, KeepsTheBaseOfASnapshotOfAStoreBesideIt) {
  add(3);
  SnapshotStore other = SnapshotStore::create_or_open(folder.path() / "runs/other");
  Manifest manifest;
  manifest.number = other.claim();
  manifest.base_path = store.folder(1).string();
  other.publish(manifest);
  EXPECT_EQ(why(1, {1, 0, kLater}), "base of other#1");
  EXPECT_EQ(kept({1, 0, kLater}), Numbers({1, 3}));
}

TEST_F(Retention, ExportsFollowTheirSnapshot) {
  add(3);
  write("exports/0001/a.gguf");
  write("exports/0003/a.gguf");
  write("exports/0009/a.gguf");
  write("exports/notes/a.txt");
  apply_retention(store, {1, 0, kLater});
  EXPECT_FALSE(fs::exists(store.path() / "exports/0001"));
  EXPECT_TRUE(fs::exists(store.path() / "exports/0003/a.gguf"));
  EXPECT_FALSE(fs::exists(store.path() / "exports/0009"));
  EXPECT_TRUE(fs::exists(store.path() / "exports/notes/a.txt"));
}

TEST_F(Retention, CheckpointsOfFinishedRunsGo) {
  add(1);
  write("runs/a/summary.json");
  write("runs/a/checkpoints/step-000001/model.safetensors", "12345");
  write("runs/b/checkpoints/step-000001/model.safetensors");
  const std::vector<Holding> plan = apply_retention(store, {{}, 8, kLater});
  ASSERT_EQ(plan.size(), 3u);
  EXPECT_EQ(plan[1].bytes, 5u);
  EXPECT_TRUE(plan[1].goes);
  EXPECT_EQ(plan[2].why, "the run can be resumed");
  EXPECT_FALSE(fs::exists(store.path() / "runs/a/checkpoints"));
  EXPECT_TRUE(fs::exists(store.path() / "runs/a/summary.json"));
  EXPECT_TRUE(fs::exists(store.path() / "runs/b/checkpoints"));
}

TEST_F(Retention, APlanTouchesNothing) {
  add(3);
  plan_retention(store, {1, 0, kLater});
  EXPECT_EQ(store.published(), Numbers({1, 2, 3}));
}

TEST_F(Retention, NumbersOfRemovedSnapshotsAreNotGivenAgain) {
  add(3);
  kept({1, 0, kLater});
  EXPECT_EQ(add("weights").number, 4);
  store.withdraw({4}, "");
  apply_retention(store, {{}, 0, kLater});
  EXPECT_EQ(store.published(), Numbers({3}));
  EXPECT_EQ(add("weights").number, 5);
}

TEST_F(Retention, WhatACrashLeftHiddenIsDeletedByTheNextOne) {
  add(2);
  hide_folder(store.folder(1));
  EXPECT_EQ(store.published(), Numbers({2}));
  EXPECT_TRUE(fs::exists(store.path() / "snapshots/.removed-0001"));
  store.sweep();
  EXPECT_FALSE(fs::exists(store.path() / "snapshots/.removed-0001"));
}

TEST(SecondsOfUtc, FollowTheCalendar) {
  EXPECT_EQ(seconds_of_utc("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(seconds_of_utc("2026-01-31T09:05:07Z"), 1769850307);
  EXPECT_EQ(seconds_of_utc("2024-02-29T00:00:00Z"), 1709164800);
  for (const char* text : {"", "2026-01-31", "2026-02-30T09:05:07Z", "2026-01-31T09:05:07+01",
                           "2026-01-31 09:05:07Z", "20x6-01-31T09:05:07Z"})
    EXPECT_FALSE(seconds_of_utc(text)) << text;
}

}  // namespace
}  // namespace slmtune::store
