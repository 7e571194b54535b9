#include "store/forget.h"

#include <gtest/gtest.h>

#include "core/log.h"
#include "core/sha256.h"
#include "tests/store/store_fixture.h"
#include "tests/support/raises.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;
using testing::raises;
using testing::TempFolder;
using Numbers = std::vector<int64_t>;

RowDigest digest(const std::string& text) {
  const std::string digits = sha256(text);
  RowDigest result;
  std::copy_n(digits.begin(), result.size(), result.begin());
  return result;
}

class Forget : public StoreTest {
 protected:
  int64_t train(const std::vector<std::string>& rows, const std::vector<fs::path>& origins = {}) {
    Manifest manifest;
    manifest.number = store.claim();
    std::vector<RowDigest> digests;
    for (const std::string& row : rows) digests.push_back(digest(row));
    write_row_index(store.staging(manifest.number), RowKey::create_or_read(store.path()), digests,
                    origins);
    return store.publish(manifest).number;
  }

  RowSearch find(const std::vector<std::string>& rows) {
    std::vector<SoughtRow> sought;
    for (const std::string& row : rows) sought.push_back({digest(row)});
    return find_rows(store, sought);
  }

  static Numbers numbers(const RowSearch& search) {
    Numbers found;
    for (const SeenRows& one : search.seen) found.push_back(one.info.number);
    return found;
  }

  fs::path index_of(int64_t number) const { return store.folder(number) / kRowIndexName; }

  // Replaces the index of a published snapshot.
  void overwrite(int64_t number, const std::string& bytes) const {
    fs::remove(index_of(number));
    std::ofstream(index_of(number), std::ios::binary) << bytes;
  }
};

TEST_F(Forget, FindsTheSnapshotsThatWereTrainedOnARow) {
  train({"a", "b"});
  train({"b", "c"});
  train({"c"});
  EXPECT_EQ(numbers(find({"b"})), Numbers({1, 2}));
  EXPECT_EQ(numbers(find({"c"})), Numbers({2, 3}));
  EXPECT_EQ(numbers(find({"d"})), Numbers());
  EXPECT_TRUE(find({"d"}).unknown.empty());
  EXPECT_EQ(find({"a", "b", "c"}).seen[1].trained, 2);
}

TEST_F(Forget, ARowIsFoundByAnyOfItsKeys) {
  train({"id=7"});
  EXPECT_EQ(numbers(find_rows(store, {{digest("the row as it is now"), digest("id=7")}})),
            Numbers({1}));
}

TEST_F(Forget, ASnapshotThatGoesOnFromOneInheritsItsRows) {
  train({"a"});
  train({"b"}, {store.folder(1)});
  train({"c"}, {store.folder(2)});
  store.withdraw({1}, "");
  fs::remove_all(store.folder(1));  // gc took it
  const RowSearch search = find({"a"});
  EXPECT_EQ(numbers(search), Numbers({2, 3}));
  EXPECT_EQ(search.seen[1].trained, 0);
  EXPECT_EQ(search.seen[1].inherited, 1);
}

TEST_F(Forget, WhatHasNoIndexIsNotKnown) {
  add(1);
  train({"a"}, {store.folder(1)});
  train({"a"});
  const RowSearch search = find({"x"});
  EXPECT_TRUE(search.seen.empty());
  EXPECT_EQ(search.unknown, Numbers({1, 2})) << "what goes on from it is not known either";
  EXPECT_EQ(numbers(find({"a"})), Numbers({2, 3}));
}

TEST_F(Forget, WithoutTheKeyNothingIsKnown) {
  train({"a"});
  fs::remove(store.path() / "row.key");
  EXPECT_EQ(find({"a"}).unknown, Numbers({1}));
  train({"a"});
  EXPECT_EQ(find({"a"}).unknown, Numbers({1})) << "made with the lost key";
  EXPECT_EQ(numbers(find({"a"})), Numbers({2}));
}

TEST_F(Forget, DamagedIndexesAreRefusedAndNotKnown) {
  train({"a", "b"});
  const RowKey key = *RowKey::read(store.path());
  const std::string good = TempFolder::read(index_of(1));
  std::string many = good, inherited = good;
  many[24] = 9;
  inherited[32] = 1;
  for (const std::string& bytes : {std::string(), good.substr(0, 39), good.substr(0, 41),
                                   good + "x", "X" + good.substr(1), many, inherited}) {
    overwrite(1, bytes);
    EXPECT_TRUE(raises("S011", {"rows.index"}, [&] { RowIndex::read(store.folder(1), key); }));
    EXPECT_EQ(find({"a"}).unknown, Numbers({1}));
  }
  std::ofstream(store.path() / "row.key") << "short\n";
  EXPECT_TRUE(raises("S011", {"row.key"}, [&] { find({"a"}); }));
}

TEST_F(Forget, TheIndexTellsNothingWithoutTheKey) {
  train({"a"});
  const std::string bytes = TempFolder::read(index_of(1));
  const RowDigest plain = digest("a");
  EXPECT_EQ(bytes.find(std::string(plain.begin(), plain.end())), std::string::npos);
  EXPECT_EQ(fs::status(store.path() / "row.key").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Forget, OnlySnapshotsOfTheStoreAreOrigins) {
  train({"a"});
  EXPECT_EQ(origins_in(store, {store.folder(1), store.folder(1), "", folder.path()}).size(), 1u);
  SnapshotStore other = SnapshotStore::create_or_open(folder.path() / "runs/other");
  EXPECT_TRUE(origins_in(other, {store.folder(1)}).empty());
}

TEST_F(Forget, NamesSnapshotsOfOtherStoresThatTrainingWentOnFrom) {
  train({"a"});
  SnapshotStore other = SnapshotStore::create_or_open(folder.path() / "runs/other");
  Manifest manifest;
  manifest.number = other.claim();
  manifest.base_path = store.folder(1).string();
  manifest.parent = store.path().string() + "#1";
  other.publish(manifest);
  EXPECT_EQ(find_rows(other, {}).elsewhere,
            (std::vector<std::string>{store.path().string() + "#1", store.folder(1).string()}));
  EXPECT_TRUE(find({}).elsewhere.empty());
}

// A year of weekly snapshots, each trained on the 4,000 newest of 14,200 rows.
TEST_F(Forget, FindsEveryAffectedSnapshotOfAYearInLessThanTwoSeconds) {
  std::vector<std::string> rows;
  for (int i = 0; i < 14200; ++i) rows.push_back("row " + std::to_string(i));
  auto begin_of = [](int week) { return week * 200; };
  for (int week = 0; week < 52; ++week)
    train({rows.begin() + begin_of(week), rows.begin() + begin_of(week) + 4000});
  for (int row : {0, 3999, 4000, 7123, 10199, 14199}) {
    Numbers expected;
    for (int week = 0; week < 52; ++week)
      if (begin_of(week) <= row && row < begin_of(week) + 4000) expected.push_back(week + 1);
    const double start = now_seconds();
    const RowSearch search = find({rows[static_cast<size_t>(row)]});
    const double seconds = now_seconds() - start;
    EXPECT_EQ(numbers(search), expected) << row;
    EXPECT_LT(seconds, 2.0);
    if (row == 7123) printf("forget: 52 snapshots in %.3f s\n", seconds);
  }
}

}  // namespace
}  // namespace slmtune::store
