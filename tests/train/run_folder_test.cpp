#include "train/run_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <regex>

#include "core/atomic_file.h"
#include "core/error.h"
#include "tests/support/temp_folder.h"
#include "train/event_file.h"

namespace slmtune::train {
namespace {

using slmtune::testing::TempFolder;

std::vector<std::filesystem::path> event_files(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(run))
    if (entry.path().filename().string().starts_with("events.")) files.push_back(entry.path());
  return files;
}

TEST(RunFolder, IsNamedByTimeAndKeepsTheRecipe) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  EXPECT_TRUE(std::regex_match(run.path().filename().string(), std::regex(R"(\d{8}T\d{6}Z-0001)")));
  EXPECT_EQ(run.path().parent_path(), store.path() / "runs");
  EXPECT_EQ(TempFolder::read(run.path() / "recipe.yaml"), "name: a\n");
}

TEST(RunFolder, OpensOnlyARun) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  EXPECT_EQ(RunFolder::open(run.path()).path(), run.path());
  EXPECT_THROW(RunFolder::open(store.path()), UserError);
  EXPECT_THROW(RunFolder::open(store.path() / "missing"), UserError);
}

std::vector<std::string> names_of(const std::vector<RunFolder>& runs) {
  std::vector<std::string> names;
  for (const RunFolder& run : runs) names.push_back(run.name());
  return names;
}

TEST(RunFolder, CountsTheRunsOfItsStore) {
  TempFolder store;
  store.write("runs/20260101T000000Z-0041/recipe.yaml", "name: a\n");
  store.write("runs/notes-today/x", "");
  EXPECT_TRUE(RunFolder::create(store.path(), "name: a\n").name().ends_with("Z-0042"));
  EXPECT_TRUE(RunFolder::create(store.path(), "name: a\n").name().ends_with("Z-0043"));
}

TEST(RunFolder, ListsUnfinishedRunsNewestFirst) {
  TempFolder store;
  EXPECT_TRUE(RunFolder::unfinished(store.path()).empty());
  for (const char* name : {"20260101T000000Z-0001", "20260102T000000Z-0002"})
    store.write(std::string("runs/") + name + "/recipe.yaml", "name: a\n");
  EXPECT_EQ(names_of(RunFolder::unfinished(store.path())),
            (std::vector<std::string>{"20260102T000000Z-0002", "20260101T000000Z-0001"}));
}

TEST(RunFolder, GoesByTheCountWhenTheClockWasSetBack) {
  TempFolder store;
  for (const char* name : {"20260301T000000Z-0001", "20250101T000000Z-0002"})
    store.write(std::string("runs/") + name + "/recipe.yaml", "name: a\n");
  EXPECT_EQ(RunFolder::unfinished(store.path()).front().name(), "20250101T000000Z-0002");
}

TEST(RunFolder, PassesOverWhatWasStartedBeforeACompleteRun) {
  TempFolder store;
  for (const char* name :
       {"20260101T000000Z-0001", "20260102T000000Z-0002", "20260103T000000Z-0003"})
    store.write(std::string("runs/") + name + "/recipe.yaml", "name: a\n");
  store.write("runs/20260102T000000Z-0002/summary.json", "{}\n");
  EXPECT_EQ(names_of(RunFolder::unfinished(store.path())),
            (std::vector<std::string>{"20260103T000000Z-0003"}));
}

TEST(RunFolder, LogsOneJsonLinePerRecord) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  run.log(1, {{"step", 1}, {"loss", 2.5}});
  run.log(2, {{"step", 2}, {"loss", std::nan("")}});
  EXPECT_EQ(TempFolder::read(run.path() / "log.jsonl"),
            "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":null}\n");
  EXPECT_EQ(event_files(run.path()).size(), 1u);
}

TEST(RunFolder, RewindCutsTheLogAtTheStepAndDropsABrokenLine) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  for (int step = 1; step <= 4; ++step) run.log(step, {{"step", step}});
  append_line(run.path() / "log.jsonl", "{\"step\":2,\"lo");
  run.rewind(2, false);
  EXPECT_EQ(TempFolder::read(run.path() / "log.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(RunFolder, RewindKeepsAValidationOnlyWhenTheCheckpointHasIt) {
  for (bool validated : {false, true}) {
    TempFolder store;
    RunFolder run = RunFolder::create(store.path(), "name: a\n");
    run.log(1, {{"step", 1}, {"loss", 2.0}});
    run.log(1, {{"step", 1}, {"valid_loss", 2.0}});
    run.rewind(1, validated);
    std::string kept = "{\"step\":1,\"loss\":2.0}\n";
    if (validated) kept += "{\"step\":1,\"valid_loss\":2.0}\n";
    EXPECT_EQ(TempFolder::read(run.path() / "log.jsonl"), kept);
  }
}

TEST(RunFolder, IsCompleteByItsSummary) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  EXPECT_FALSE(run.is_complete());
  run.finish({{"ended", "done"}});
  EXPECT_TRUE(run.is_complete());
  EXPECT_EQ(read_json(run.path() / "summary.json")["ended"], "done");
}

TEST(RunFolder, KeepsItsOutcomeUntilItIsComplete) {
  TempFolder store;
  RunFolder run = RunFolder::create(store.path(), "name: a\n");
  EXPECT_TRUE(run.outcome().is_null());
  run.set_outcome({{"steps", 4}});
  EXPECT_EQ(run.outcome()["steps"], 4);
  run.finish({{"steps", 4}});
  EXPECT_TRUE(run.outcome().is_null());
  store.write("runs/" + run.name() + "/outcome.json", "{\"ste");
  EXPECT_TRUE(run.outcome().is_null());
}

// Bytes of the framing as TensorFlow writes them: the record "brain.Event:2" has length 24 and this
// masked CRC.
TEST(EventFile, StartsWithTheVersionRecord) {
  TempFolder folder;
  auto file = start_event_file(folder.path(), 0);
  EXPECT_TRUE(std::regex_match(file.filename().string(),
                               std::regex(R"(events\.out\.tfevents\.\d+\.slmtune)")));
  std::string bytes = TempFolder::read(file);
  ASSERT_GT(bytes.size(), 40u);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(length, 26u);  // wall time 9, step 2, version 2 + 13
  EXPECT_NE(bytes.find("brain.Event:2"), std::string::npos);
}

TEST(EventFile, ReportsAFolderThatIsGone) {
  EXPECT_THROW(start_event_file("/nonexistent/folder", 0), IoError);
}

}  // namespace
}  // namespace slmtune::train
