#include "store/store_check.h"

#include <gtest/gtest.h>

#include "core/log.h"
#include "tests/store/store_fixture.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using Codes = std::vector<std::string>;

class StoreCheckTest : public StoreTest {
 protected:
  StoreCheck check() const { return check_store(store, store.published()); }

  Codes codes() const {
    Codes found;
    for (const Diagnostic& problem : all_problems(check())) found.push_back(problem.code);
    return found;
  }
};

TEST_F(StoreCheckTest, AWholeStoreHasNoProblem) {
  add(2);
  store.promote(1, "");
  const StoreCheck result = check();
  EXPECT_TRUE(all_problems(result).empty());
  ASSERT_EQ(result.snapshots.size(), 2u);
  EXPECT_EQ(result.snapshots[0].bytes, 7u);
  EXPECT_EQ(result.bytes, 14u);
  EXPECT_EQ(result.journal_lines, 5);
  EXPECT_TRUE(result.torn_lines.empty());
}

TEST_F(StoreCheckTest, EveryDamageIsFoundAtOnce) {
  add(4);
  damage(1);
  fs::remove(store.folder(2) / "adapter.bin");
  fs::remove(store.folder(3) / kManifestName);
  EXPECT_EQ(codes(), (Codes{"S004", "S006", "S005"}));
}

TEST_F(StoreCheckTest, AManifestOfAnotherNumberIsAProblem) {
  add(2);
  fs::remove(store.folder(2) / kManifestName);
  fs::copy_file(store.folder(1) / kManifestName, store.folder(2) / kManifestName);
  EXPECT_EQ(codes(), Codes{"S005"});
}

TEST_F(StoreCheckTest, AContentHashThatDoesNotFitIsAProblem) {
  add(1);
  const fs::path path = store.folder(1) / kManifestName;
  Manifest manifest = read_manifest(store.folder(1));
  manifest.content = std::string(64, '0');
  fs::remove(path);
  std::ofstream(path) << manifest_to_json(manifest).dump();
  EXPECT_EQ(codes(), Codes{"S004"});
}

TEST_F(StoreCheckTest, ATornJournalLineIsToldAndAChangedOneIsAProblem) {
  add(1);
  std::ofstream(store.journal_path(), std::ios::app) << "{\"number\": 77, \"act\n";
  EXPECT_TRUE(codes().empty());
  EXPECT_EQ(check().torn_lines, std::vector<int64_t>{3});
  std::string text = TempFolder::read(store.journal_path());
  text.replace(text.find("claim"), 5, "clain");
  std::ofstream(store.journal_path()) << text;
  EXPECT_EQ(codes(), Codes{"S012"});
  EXPECT_EQ(check().problems[0].where, store.journal_path().string() + ":1");
}

TEST_F(StoreCheckTest, AliasesMustNameWhatIsThereAndMayBeUsed) {
  add(3);
  store.promote(1, "");
  store.promote(2, "");
  fs::remove_all(store.folder(1));
  EXPECT_EQ(codes(), Codes{"S010"});
  store.withdraw({2}, "");
  EXPECT_EQ(codes(), (Codes{"S010", "S008"}));
  std::ofstream(store.aliases_path()) << "[]";
  EXPECT_EQ(codes(), Codes{"S007"});
}

TEST_F(StoreCheckTest, SubsetsCoverEverySnapshotOnce) {
  const std::vector<int64_t> numbers = {1, 2, 3, 5, 8, 9, 10};
  std::vector<int64_t> all;
  for (int64_t part = 1; part <= 4; ++part)
    for (int64_t number : subset_of(numbers, {part, 4})) all.push_back(number);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers);
  EXPECT_EQ(subset_of(numbers, {1, 1}), numbers);
}

TEST_F(StoreCheckTest, ProgressCountsTheBytes) {
  add(3);
  uint64_t last = 0;
  check_store(store, store.published(), [&](int64_t, uint64_t bytes) { last = bytes; });
  EXPECT_EQ(last, 21u);
}

TEST_F(StoreCheckTest, PublishedFilesAreReadOnly) {
  add(1);
  for (const char* name : {"adapter.bin", kManifestName}) {
    const fs::perms mode = fs::status(store.folder(1) / name).permissions();
    const auto writable = fs::perms::owner_write | fs::perms::group_write | fs::perms::others_all |
                          fs::perms::owner_exec | fs::perms::group_exec;
    EXPECT_EQ(mode & writable, fs::perms::none) << name;
    EXPECT_NE(mode & fs::perms::owner_read, fs::perms::none) << name;
  }
}

TEST_F(StoreCheckTest, ScansTwoHundredSnapshotsInLessThanASecond) {
  for (int i = 0; i < 200; ++i) {
    Manifest manifest;
    manifest.number = store.claim();
    for (int file = 0; file < 12; ++file)
      std::ofstream(store.staging(manifest.number) / ("part" + std::to_string(file))) << i;
    manifest.metrics = {{"valid_loss", 1.5}, {"exact_match", 0.25}};
    manifest.run = "run" + std::to_string(i);
    store.publish(manifest);
  }
  store.promote(100, "");
  const double start = now_seconds();
  store.sweep();
  EXPECT_EQ(store.list().size(), 200u);
  EXPECT_TRUE(store.of_run("run7"));
  const double seconds = now_seconds() - start;
  EXPECT_LT(seconds, 1.0);
  printf("recovery scan of 200 snapshots: %.3f s\n", seconds);
}

TEST_F(StoreCheckTest, TellsHowFastItReads) {
  Manifest manifest;
  manifest.number = store.claim();
  std::ofstream(store.staging(manifest.number) / "model.bin") << std::string(64 << 20, 'w');
  store.publish(manifest);
  const StoreCheck result = check();
  EXPECT_EQ(result.bytes, uint64_t{64} << 20);
  EXPECT_GT(result.seconds, 0);
  printf("verify: %.2f GB/s\n", static_cast<double>(result.bytes) / result.seconds / 1e9);
}

}  // namespace
}  // namespace slmtune::store
