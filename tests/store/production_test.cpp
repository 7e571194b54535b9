#include <gtest/gtest.h>

#include "core/file_lock.h"
#include "core/log.h"
#include "tests/store/store_fixture.h"
#include "tests/support/raises.h"

namespace slmtune::store {
namespace {

namespace fs = std::filesystem;
using testing::raises;
using testing::TempFolder;

class Production : public StoreTest {};

TEST_F(Production, IsNothingBeforeTheFirstPromotion) {
  add(1);
  EXPECT_EQ(named("production"), 0);
  EXPECT_EQ(named("candidate"), 1);
  ProductionMove move = store.promote(1, "the first");
  EXPECT_EQ(move.from, 0);
  EXPECT_EQ(move.to, 1);
  EXPECT_EQ(move.previous, 0);
  EXPECT_EQ(store.aliases(), (Aliases{{"latest", 1}, {"production", 1}}));
}

TEST_F(Production, MovesTogetherWithPrevious) {
  add(3);
  store.promote(1, "");
  ProductionMove move = store.promote(3, "better");
  EXPECT_EQ(move.from, 1);
  EXPECT_EQ(move.previous, 1);
  EXPECT_EQ(named("production"), 3);
  EXPECT_EQ(named("previous"), 1);
  EXPECT_EQ(named("candidate"), 0);
  EXPECT_EQ(store.number_of("#production"), 3);
}

TEST_F(Production, TheCandidateStaysWhenAnotherOneIsPromoted) {
  add(3);
  store.promote(2, "");
  EXPECT_EQ(named("candidate"), 3);
}

TEST_F(Production, PromotingWhatIsThereChangesNothing) {
  add(2);
  store.promote(1, "");
  store.promote(2, "");
  const std::string before = TempFolder::read(store.journal_path());
  ProductionMove move = store.promote(2, "again");
  EXPECT_FALSE(move.changed());
  EXPECT_EQ(move.previous, 1);
  EXPECT_EQ(TempFolder::read(store.journal_path()), before);
}

TEST_F(Production, RefusesADamagedSnapshot) {
  add(2);
  store.promote(1, "");
  damage(2);
  EXPECT_TRUE(raises("S004", {"adapter.bin"}, [&] { store.promote(2, ""); }));
  EXPECT_TRUE(raises("S001", {"#7"}, [&] { store.promote(7, ""); }));
  EXPECT_EQ(named("production"), 1);
}

TEST_F(Production, MovesWhileATrainingRunHoldsTheStore) {
  add(1);
  FileLock lock(store.lock_path(), "train");
  EXPECT_EQ(store.promote(1, "").to, 1);
}

TEST_F(Production, ARollbackGoesBackAndASecondOneFurther) {
  add(3);
  for (int64_t number : {1, 2, 3}) store.promote(number, "");
  const double start = now_seconds();
  ProductionMove move = store.rollback("worse");
  const double seconds = now_seconds() - start;
  EXPECT_EQ(move.from, 3);
  EXPECT_EQ(move.to, 2);
  EXPECT_EQ(move.previous, 1);
  EXPECT_LT(seconds, 1.0);
  printf("rollback: %.4f s\n", seconds);
  move = store.rollback("worse still");
  EXPECT_EQ(move.to, 1);
  EXPECT_EQ(move.previous, 0);
  EXPECT_EQ(named("previous"), 0);
  EXPECT_TRUE(raises("S009", {"no earlier snapshot"}, [&] { store.rollback(""); }));
  EXPECT_EQ(named("production"), 1);
}

TEST_F(Production, AfterARollbackPromotionsGoOnFromThere) {
  add(4);
  for (int64_t number : {1, 2, 3}) store.promote(number, "");
  store.rollback("");
  store.promote(4, "");
  EXPECT_EQ(named("previous"), 2);
  EXPECT_EQ(store.rollback("").to, 2);
  EXPECT_EQ(store.rollback("").to, 1);
}

TEST_F(Production, ARollbackNeedsSomethingInProduction) {
  add(2);
  EXPECT_TRUE(raises("S009", {"nothing is in production"}, [&] { store.rollback(""); }));
}

TEST_F(Production, ARollbackPassesOverWhatIsGoneDamagedOrWithdrawn) {
  add(5);
  for (int64_t number : {1, 2, 3, 4, 5}) store.promote(number, "");
  damage(4);
  store.withdraw({3}, "asked");
  fs::remove_all(store.folder(2));
  ProductionMove move = store.rollback("");
  EXPECT_EQ(move.to, 1);
  ASSERT_EQ(move.passed.size(), 3u);
  EXPECT_EQ(move.passed[0].number, 4);
  EXPECT_EQ(move.passed[0].why, "the content changed after it was published");
  EXPECT_EQ(move.passed[1].why, "it is withdrawn");
  EXPECT_EQ(move.passed[2].why, "it was removed");
}

TEST_F(Production, ARollbackToNothingWholeSaysWhyAndStays) {
  add(2);
  store.promote(1, "");
  store.promote(2, "");
  damage(1);
  EXPECT_TRUE(raises("S009", {"#1: the content changed"}, [&] { store.rollback(""); }));
  EXPECT_EQ(named("production"), 2);
}

TEST_F(Production, AMoveThatACrashStoppedDidNotHappen) {
  add(3);
  store.promote(1, "");
  store.promote(2, "");
  const std::string aliases = TempFolder::read(store.aliases_path());
  store.promote(3, "");  // its line is in the journal, its aliases are not
  std::ofstream(store.aliases_path()) << aliases;
  EXPECT_EQ(named("production"), 2);
  EXPECT_EQ(store.rollback("").to, 1);
}

TEST_F(Production, ALostJournalStillLeavesOneStepBack) {
  add(2);
  store.promote(1, "");
  store.promote(2, "");
  fs::remove(store.journal_path());
  EXPECT_EQ(store.rollback("").to, 1);
}

TEST_F(Production, EveryMoveIsInTheJournal) {
  add(2);
  store.promote(1, "first");
  store.promote(2, "better");
  store.rollback("worse");
  store.withdraw({2}, "asked");
  std::vector<std::string> moves;
  for (const JournalLine& line : store.journal().lines)
    if (line.action != "claim" && line.action != "publish")
      moves.push_back(line.action + " #" + std::to_string(line.number) + ": " + line.reason);
  EXPECT_EQ(moves, (std::vector<std::string>{"promote #1: first", "promote #2: better",
                                             "rollback #1: worse", "withdraw #2: asked"}));
}

TEST_F(Production, AWithdrawnSnapshotIsNotPromotedAndNamedByNoAliasButProduction) {
  add(4);
  store.promote(1, "");
  store.promote(2, "");
  store.promote(3, "");
  EXPECT_EQ(store.withdraw({2, 3, 4}, "asked"), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(store.withdraw({2, 4}, "asked"), std::vector<int64_t>());
  EXPECT_EQ(store.aliases(), (Aliases{{"latest", 1}, {"previous", 1}, {"production", 3}}));
  EXPECT_TRUE(store.show(4).is_withdrawn);
  EXPECT_TRUE(raises("S008", {"#4 is withdrawn"}, [&] { store.promote(4, ""); }));
}

TEST_F(Production, AWithdrawalThatACrashStoppedTakesTheAliasesAway) {
  add(2);
  store.promote(1, "");
  store.promote(2, "");
  JournalWriter(store.journal_path()).append({.action = "withdraw", .number = 1});
  EXPECT_EQ(store.aliases(), (Aliases{{"latest", 2}, {"production", 2}}));
}

}  // namespace
}  // namespace slmtune::store
