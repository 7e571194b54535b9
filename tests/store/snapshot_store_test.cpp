#include "store/snapshot_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "core/file_lock.h"
#include "core/json.h"
#include "core/version.h"
#include "tests/store/store_fixture.h"
#include "tests/support/expect_error.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using testing::thrown;
using testing::thrown_code;

class Store : public StoreTest {};

TEST_F(Store, OpensOnlyWhatIsThere) {
  EXPECT_EQ(SnapshotStore::open(store.path()).path(), store.path());
  auto missing = folder.path() / "none";
  EXPECT_EQ(thrown([&] { SnapshotStore::open(missing); }),
            "N002|" + missing.string() +
                ": error[N002]: no store here\n"
                "help: train first, or name the folder that the recipe's 'store' key gives");
}

TEST_F(Store, PublishesUnderTheNextNumber) {
  SnapshotInfo info = add();
  EXPECT_EQ(info.number, 1);
  EXPECT_EQ(info.path, store.path() / "snapshots/0001");
  EXPECT_EQ(info.manifest.program_version, version());
  EXPECT_EQ(info.manifest.created.size(), 20u);
  EXPECT_EQ(info.manifest.files.at("adapter.bin").bytes, 7u);
  EXPECT_EQ(info.aliases, (std::vector<std::string>{"candidate", "latest"}));
  EXPECT_FALSE(fs::exists(store.staging(1)));
  EXPECT_EQ(add().number, 2);
  EXPECT_EQ(store.aliases(), (std::map<std::string, int64_t>{{"candidate", 2}, {"latest", 2}}));
}

TEST_F(Store, ShowsNothingBeforePublishing) {
  int64_t number = store.claim();
  std::ofstream(store.staging(number) / "adapter.bin") << "half";
  EXPECT_TRUE(store.list().empty());
  EXPECT_TRUE(store.aliases().empty());
  EXPECT_EQ(thrown_code([&] { store.show(number); }), "S001");
  EXPECT_EQ(thrown_code([&] { store.number_of("latest"); }), "S002");
}

TEST_F(Store, NeverReusesTheNumberOfALeftBehindStagingFolder) {
  EXPECT_EQ(store.claim(), 1);
  EXPECT_EQ(add().number, 2);
  EXPECT_EQ(store.sweep(), 1);
  EXPECT_EQ(store.claim(), 3);
}

TEST_F(Store, NeverReusesTheNumberOfASweptOrDeletedSnapshot) {
  EXPECT_EQ(store.claim(), 1);
  EXPECT_EQ(store.sweep(), 1);
  EXPECT_EQ(add().number, 2);
  fs::remove_all(store.folder(2));
  EXPECT_EQ(store.claim(), 3);
}

TEST_F(Store, NeverReusesANumberWhenTheJournalIsLost) {
  add();
  store.claim();
  fs::remove(store.path() / "journal.jsonl");
  EXPECT_EQ(store.claim(), 3);
}

TEST_F(Store, ClaimsOfManyThreadsDiffer) {
  std::vector<int64_t> numbers(8);
  std::vector<std::thread> threads;
  for (int64_t& number : numbers) threads.emplace_back([&] { number = store.claim(); });
  for (std::thread& thread : threads) thread.join();
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

TEST_F(Store, NeverReplacesAPublishedSnapshot) {
  add("first");
  fs::create_directory(store.staging(1));
  Manifest manifest;
  manifest.number = 1;
  EXPECT_EQ(thrown_code([&] { store.publish(manifest); }), "W004");
  EXPECT_EQ(TempFolder::read(store.folder(1) / "adapter.bin"), "first");
  store.verify(1);
}

TEST_F(Store, APublishOfAnUnclaimedNumberIsABug) {
  Manifest manifest;
  manifest.number = 9;
  EXPECT_EQ(thrown_code([&] { store.publish(manifest); }), "X001");
}

TEST_F(Store, ListsByNumberAndIgnoresWhatIsNotItsOwn) {
  add(3);
  fs::create_directory(store.path() / "snapshots/notes");
  fs::create_directory(store.path() / "snapshots/7");
  std::vector<SnapshotInfo> all = store.list();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].number, 1);
  EXPECT_EQ(all[2].number, 3);
  EXPECT_EQ(all[2].aliases, (std::vector<std::string>{"candidate", "latest"}));
}

TEST_F(Store, ADamagedSnapshotIsListedWithItsProblem) {
  add();
  add();
  fs::remove(store.folder(1) / "manifest.json");
  std::ofstream(store.folder(1) / "manifest.json") << "{";
  std::vector<SnapshotInfo> all = store.list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].problem, "not JSON: syntax error here");
  EXPECT_EQ(all[1].problem, "");
  EXPECT_EQ(thrown_code([&] { store.show(1); }), "S005");
}

TEST_F(Store, AManifestOfAnotherNumberIsRefused) {
  add();
  add();
  fs::remove(store.folder(2) / "manifest.json");
  fs::copy_file(store.folder(1) / "manifest.json", store.folder(2) / "manifest.json");
  EXPECT_EQ(thrown_code([&] { store.show(2); }), "S005");
}

TEST_F(Store, FindsWhatARunPublished) {
  add();
  Manifest manifest;
  manifest.number = store.claim();
  manifest.run = "20260131T090000-1a2b";
  store.publish(manifest);
  add();
  ASSERT_TRUE(store.of_run("20260131T090000-1a2b"));
  EXPECT_EQ(store.of_run("20260131T090000-1a2b")->number, 2);
  EXPECT_FALSE(store.of_run("20260131T090000-ffff"));
  EXPECT_FALSE(store.of_run(""));
}

TEST_F(Store, VerifyFindsAFlippedBit) {
  add();
  EXPECT_EQ(store.verify(1).number, 1);
  damage(1);
  EXPECT_EQ(thrown_code([&] { store.verify(1); }), "S004");
}

TEST_F(Store, ResolvesNumbersAndAliases) {
  add();
  add();
  EXPECT_EQ(store.number_of("#1"), 1);
  EXPECT_EQ(store.number_of("1"), 1);
  EXPECT_EQ(store.number_of("0001"), 1);
  EXPECT_EQ(store.number_of("#latest"), 2);
  EXPECT_EQ(store.resolve("latest"), store.path() / "snapshots/0002");
}

TEST_F(Store, SaysWhatCannotBeResolved) {
  add();
  auto error = [&](const std::string& text) {
    std::string all = thrown([&] { store.number_of(text); });
    size_t at = all.find(store.path().string());
    return at == std::string::npos ? all : all.replace(at, store.path().string().size(), "STORE");
  };
  EXPECT_EQ(error("#42"),
            "S001|STORE: error[S001]: there is no snapshot #42\n"
            "help: 'slmtune snapshots list' shows what is there");
  EXPECT_EQ(error("#production"),
            "S002|STORE: error[S002]: there is no alias 'production'\n"
            "help: the aliases are 'candidate' or 'latest'");
  EXPECT_EQ(
      error("#"),
      "S003|STORE: error[S003]: '#' is no number and no alias\nhelp: write it as #42 or #latest");
  EXPECT_EQ(error("../x").substr(0, 4), "S003");
  EXPECT_EQ(error("0").substr(0, 4), "S002");
  EXPECT_EQ(error("99999999999999999999").substr(0, 4), "S002");
}

TEST_F(Store, LatestIsRightAfterACrashBeforeTheAliasMoved) {
  add();
  std::string before = TempFolder::read(store.path() / "aliases.json");
  add();
  std::ofstream(store.path() / "aliases.json") << before;
  EXPECT_EQ(store.number_of("latest"), 2);
}

TEST_F(Store, ADamagedAliasFileIsRefused) {
  add();
  for (const char* text : {"{", "[]", "{\"latest\": \"1\"}", "{\"../x\": 1}"}) {
    std::ofstream(store.path() / "aliases.json") << text;
    EXPECT_EQ(thrown_code([&] { store.aliases(); }), "S007") << text;
  }
}

TEST_F(Store, TheJournalTellsEveryMove) {
  add();
  add();
  std::ifstream stream(store.path() / "journal.jsonl");
  std::vector<Json> lines;
  for (std::string text; std::getline(stream, text);) lines.push_back(Json::parse(text));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["action"], "claim");
  EXPECT_EQ(lines[1]["action"], "publish");
  EXPECT_EQ(lines[1]["alias"], "latest");
  EXPECT_EQ(lines[1]["reason"], "test");
  EXPECT_EQ(lines[3]["number"], 2);
  EXPECT_TRUE(lines[3].contains("time"));
}

TEST_F(Store, ATornJournalLineIsPassedOver) {
  add();
  std::ofstream(store.path() / "journal.jsonl", std::ios::app) << "{\"number\": 77, \"act";
  EXPECT_EQ(store.claim(), 2);
}

TEST_F(Store, SweepFinishesAPublicationThatWasKilled) {
  add();
  const std::string aliases = TempFolder::read(store.aliases_path());
  std::string journal = TempFolder::read(store.journal_path());
  add();
  std::ofstream(store.aliases_path()) << aliases;
  std::ofstream(store.journal_path()) << journal;
  store.sweep();
  EXPECT_EQ(store.aliases(), (Aliases{{"candidate", 2}, {"latest", 2}}));
  EXPECT_EQ(store.journal().lines.back().action, "publish");
  const size_t lines = store.journal().lines.size();
  std::ofstream(store.aliases_path()) << aliases;  // killed between the journal and the aliases
  store.sweep();
  EXPECT_EQ(store.aliases(), (Aliases{{"candidate", 2}, {"latest", 2}}));
  EXPECT_EQ(store.journal().lines.size(), lines);
}

TEST_F(Store, SweepRemembersTheNumberOfAClaimThatWasKilled) {
  fs::create_directory(store.staging(7));
  store.sweep();
  EXPECT_EQ(store.claim(), 8);
}

TEST_F(Store, SweepRemovesTemporariesThatNobodyWrites) {
  add();
  std::ofstream(store.path() / ".aliases.json.tmp") << "{";
  store.sweep();
  EXPECT_FALSE(fs::exists(store.path() / ".aliases.json.tmp"));
  EXPECT_TRUE(fs::exists(store.aliases_path()));
}

TEST_F(Store, HasALockOfItsOwn) {
  FileLock lock(store.lock_path(), "train");
  EXPECT_EQ(thrown_code([&] { FileLock second(store.lock_path(), "train"); }), "L001");
}

}  // namespace
}  // namespace slmtune::store
