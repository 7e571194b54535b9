// A snapshot's way to a folder and back, the record and the journal of it; and what is left when it
// breaks off. Servers are in tests/cli/deploy_test.py.
#include "ops/deploy/deploy.h"

#include <gtest/gtest.h>

#include <chrono>

#include "core/error.h"
#include "core/file_lock.h"
#include "core/sha256.h"
#include "store/retention.h"
#include "tests/store/store_fixture.h"
#include "tests/support/expect_error.h"

namespace slmtune::ops {
namespace {

namespace fs = std::filesystem;

class Deploy : public store::StoreTest {
 protected:
  Deploy() {
    add(3);
    work.store = store.path();
    work.target.name = "office";
    work.target.kind = "folder";
    work.target.path = (folder.path() / "models").string();
    work.context_of = [](int64_t) {
      PlaceContext context;
      context.model = "faq";
      return context;
    };
    work.file_of = [this](int64_t number, bool, bool anew) {
      const fs::path file =
          store.path() / "exports" / ("000" + std::to_string(number)) / "faq-q8_0.gguf";
      if (anew) fs::remove(file);
      if (!fs::exists(file))
        folder.write(fs::relative(file, folder.path()).string(), "model " + std::to_string(number));
      return handed(file);
    };
    work.probe_of = [](int64_t) { return Probe{}; };
  }

  static HandedFile handed(const fs::path& file) { return {file, sha256_file(file)}; }
  DeployReport bring(int64_t number) {
    work.number = number;
    return deploy(work);
  }
  DeployReport back() {
    work.number = 0;
    return roll_back(work);
  }
  std::string served() const {
    return testing::TempFolder::read(folder.path() / "models/current.gguf");
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path() / "models"))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  std::vector<std::string> moves() const {
    std::vector<std::string> lines;
    for (const store::JournalLine& line : store.journal().lines)
      if (line.target == "office")
        lines.push_back(line.action + " " + std::to_string(line.number) + " from " +
                        std::to_string(line.from.value_or(-1)));
    return lines;
  }

  DeployWork work;
};

using Names = std::vector<std::string>;

TEST_F(Deploy, PutsNumberedFilesBehindOneLink) {
  const DeployReport first = bring(1);
  EXPECT_TRUE(first.changed);
  EXPECT_EQ(first.from, 0);
  EXPECT_EQ(served(), "model 1");
  bring(2);
  EXPECT_EQ(served(), "model 2");
  EXPECT_EQ(files(),
            Names({"SHA256SUMS", "current.gguf", "faq-0001-q8_0.gguf", "faq-0002-q8_0.gguf"}));
  EXPECT_EQ(
      testing::TempFolder::read(folder.path() / "models/SHA256SUMS"),
      sha256("model 1") + "  faq-0001-q8_0.gguf\n" + sha256("model 2") + "  faq-0002-q8_0.gguf\n");
  EXPECT_EQ(fs::read_symlink(folder.path() / "models/current.gguf"), "faq-0002-q8_0.gguf");
  EXPECT_EQ(moves(), Names({"deploy 1 from 0", "deploy 2 from 1"}));
}

TEST_F(Deploy, IsDoneOnceHoweverOftenItIsRun) {
  bring(1);
  EXPECT_FALSE(bring(1).changed);
  EXPECT_EQ(moves().size(), 1u);
}

TEST_F(Deploy, GoesBackOneModelAtATimeAndKeepsAsManyAsAskedFor) {
  work.target.keep = 3;
  for (int64_t number : {1, 2, 3}) bring(number);
  EXPECT_EQ(files().size(), 5u);
  EXPECT_EQ(back().number, 2);
  EXPECT_EQ(served(), "model 2");
  EXPECT_EQ(back().number, 1);
  EXPECT_EQ(served(), "model 1");
  EXPECT_EQ(testing::thrown_code([&] { back(); }), "V007");
  EXPECT_EQ(files(), Names({"SHA256SUMS", "current.gguf", "faq-0001-q8_0.gguf"}));
  work.target.keep = 2;
  for (int64_t number : {2, 3}) bring(number);
  EXPECT_EQ(files(),
            Names({"SHA256SUMS", "current.gguf", "faq-0002-q8_0.gguf", "faq-0003-q8_0.gguf"}));
}

TEST_F(Deploy, TakesBackOnlyTheSnapshotThatIsNamed) {
  bring(1);
  bring(2);
  work.number = 2;
  EXPECT_TRUE(roll_back(work).changed);
  EXPECT_FALSE(roll_back(work).changed);
  EXPECT_EQ(served(), "model 1");
}

TEST_F(Deploy, WithoutAnyDeployThereIsNothingToVerifyOrTakeBack) {
  work.number = 0;
  EXPECT_EQ(testing::thrown_code([&] { deploy(work); }), "V007");
  EXPECT_EQ(testing::thrown_code([&] { roll_back(work); }), "V007");
}

TEST_F(Deploy, VerifyFindsWhatIsMissingStaleOrChangedAndBringsItAgain) {
  bring(1);
  bring(2);
  work.thorough = true;
  const fs::path file = folder.path() / "models/faq-0002-q8_0.gguf";
  const auto repaired = [&] {
    const DeployReport report = bring(0);
    EXPECT_EQ(served(), "model 2");
    EXPECT_EQ(report.number, 2);
    return report.repaired;
  };
  EXPECT_EQ(repaired(), "");
  fs::remove(file);
  EXPECT_EQ(repaired(), "'" + file.string() + "' is missing");
  fs::remove(file);
  folder.write("models/faq-0002-q8_0.gguf", "model X");
  EXPECT_EQ(repaired(), "'" + file.string() + "' was changed");
  fs::remove(folder.path() / "models/current.gguf");
  fs::create_symlink("faq-0001-q8_0.gguf", folder.path() / "models/current.gguf");
  EXPECT_EQ(repaired(),
            "'" + (folder.path() / "models/current.gguf").string() + "' does not name it");
  // Through the shared inode: the export is changed with it, and made again.
  folder.write("models/faq-0002-q8_0.gguf", "model Y");
  EXPECT_EQ(repaired(), "its file was changed");
  EXPECT_EQ(back().number, 1);
}

TEST_F(Deploy, AnotherEncodingOfASnapshotIsAnotherFile) {
  bring(1);
  work.file_of = [this](int64_t, bool, bool) {
    return handed(folder.write("elsewhere/faq-q8_0.gguf", "model 1 rounded otherwise"));
  };
  EXPECT_TRUE(bring(1).changed);
  EXPECT_EQ(served(), "model 1 rounded otherwise");
  EXPECT_EQ(files().size(), 4u);
  EXPECT_EQ(back().number, 1);
  EXPECT_EQ(served(), "model 1");
}

TEST_F(Deploy, AFailureLeavesTheOldModelServingAndIsRecorded) {
  bring(1);
  work.file_of = [](int64_t, bool, bool) -> HandedFile {
    throw FileFormatError("F095", "x.gguf", "differs");
  };
  EXPECT_EQ(testing::thrown_code([&] { bring(2); }), "F095");
  EXPECT_EQ(served(), "model 1");
  EXPECT_EQ(moves(), Names({"deploy 1 from 0", "deploy 2 from 1", "refuse 2 from 1"}));
  const DeployState state = read_state(store.path(), "office");
  EXPECT_EQ(state.current->number, 1);
  EXPECT_EQ(state.failed_number, 2);
  EXPECT_EQ(state.failed_code, "F095");
  EXPECT_FALSE(state.pending);
}

TEST_F(Deploy, AFolderThatCannotBeWrittenKeepsWhatItHas) {
  bring(1);
  fs::remove(folder.path() / "models/SHA256SUMS");
  fs::create_directories(folder.path() / "models/SHA256SUMS/in-the-way");
  EXPECT_NE(testing::thrown([&] { bring(2); }), "nothing");
  EXPECT_EQ(served(), "model 1");
  fs::remove_all(folder.path() / "models/SHA256SUMS");
  bring(2);
  EXPECT_EQ(served(), "model 2");
}

TEST_F(Deploy, WhereNoFolderCanBeMadeNothingIsDeployed) {
  folder.write("taken", "a file");
  for (const fs::path& path : {folder.path() / "taken", folder.path() / "taken/models",
                               fs::path("/proc/slmtune-models")}) {
    work.target.path = path.string();
    work.target.name = "office-" + std::to_string(path.string().size());
    EXPECT_EQ(testing::thrown_code([&] { bring(1); }), "W004") << path;
    EXPECT_FALSE(read_state(store.path(), work.target.name).current);
  }
}

// As a kill between the switch and the record leaves it.
TEST_F(Deploy, GoesOnFromASwitchThatWasNotRecorded) {
  bring(1);
  const std::string before = testing::TempFolder::read(state_file(store.path(), "office"));
  bring(2);
  DeployState state = read_state(store.path(), "office");
  state.pending = state.current;
  state.current = state.earlier.back();
  state.earlier.clear();
  write_state(store.path(), state);
  EXPECT_FALSE(bring(2).changed);
  EXPECT_EQ(back().number, 1);
  EXPECT_EQ(served(), "model 1");
}

TEST_F(Deploy, WhatAKilledDeployBroughtIsRemovedByTheNext) {
  bring(1);
  DeployState state = read_state(store.path(), "office");
  state.pending = state.current;
  state.pending->number = 2;
  state.pending->name = "faq-0002-q8_0.gguf";
  write_state(store.path(), state);
  folder.write("models/faq-0002-q8_0.gguf", "half");
  bring(3);
  EXPECT_EQ(files(),
            Names({"SHA256SUMS", "current.gguf", "faq-0001-q8_0.gguf", "faq-0003-q8_0.gguf"}));
}

TEST_F(Deploy, OneAtATimeForEachTarget) {
  bring(1);
  const FileLock lock(store.path() / "deploy/office.lock", "somebody else");
  EXPECT_EQ(testing::thrown_code([&] { bring(2); }), "L001");
}

TEST_F(Deploy, AWithdrawnSnapshotIsNotDeployed) {
  store.withdraw({2}, "asked for");
  EXPECT_EQ(testing::thrown_code([&] { bring(2); }), "S008");
  EXPECT_EQ(testing::thrown_code([&] { bring(9); }), "S001");
}

TEST_F(Deploy, ATargetOfAnotherKindNeedsAnotherName) {
  bring(1);
  work.target.kind = "lmstudio";
  EXPECT_EQ(testing::thrown_code([&] { bring(2); }), "U006");
}

TEST_F(Deploy, ADryRunTouchesNothing) {
  work.dry_run = true;
  const DeployReport report = bring(1);
  EXPECT_TRUE(report.changed);
  EXPECT_FALSE(fs::exists(folder.path() / "models"));
  EXPECT_FALSE(fs::exists(store.path() / "deploy"));
  EXPECT_TRUE(moves().empty());
}

TEST_F(Deploy, LmStudioGetsItsTwoFoldersAndNoLink) {
  work.target.kind = "lmstudio";
  bring(1);
  EXPECT_EQ(testing::TempFolder::read(folder.path() / "models/slmtune/faq/faq-0001-q8_0.gguf"),
            "model 1");
  work.target.name = "other";
  work.context_of = [](int64_t) {
    PlaceContext context;
    context.model = "acme/helper";
    return context;
  };
  bring(2);
  EXPECT_EQ(testing::TempFolder::read(folder.path() / "models/acme/helper/helper-0002-q8_0.gguf"),
            "model 2");
}

TEST_F(Deploy, RetentionKeepsWhatServesAndWhatARollbackNeeds) {
  for (int64_t number : {1, 2}) bring(number);
  add(2);
  // Long after: no move of the last weeks protects anything.
  const auto plan = store::plan_retention(store, {1, 8, int64_t{1} << 40});
  for (const store::Holding& one : plan) {
    if (one.kind == store::Holding::Kind::kCheckpoints) continue;
    EXPECT_EQ(one.goes, one.number == 3 || one.number == 4) << one.number << one.why;
    if (one.kind != store::Holding::Kind::kSnapshot || one.number > 2) continue;
    EXPECT_EQ(one.why, one.number == 2 ? "deployed to office" : "deployed to office before");
  }
}

TEST_F(Deploy, RetentionKeepsWhatWasDeployedInTheLastWeeks) {
  work.target.keep = 2;
  for (int64_t number : {1, 2, 3}) bring(number);
  const auto now = store::seconds_of_utc(store.journal().lines.back().time);
  ASSERT_TRUE(now);
  for (const store::Holding& one : store::plan_retention(store, {1, 8, *now}))
    if (one.kind == store::Holding::Kind::kSnapshot && one.number == 1) {
      EXPECT_EQ(one.why, "deployed to office in the last 8 weeks");
      EXPECT_FALSE(one.goes);
    }
}

}  // namespace
}  // namespace slmtune::ops
