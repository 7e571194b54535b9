#include "store/aliases.h"

#include <gtest/gtest.h>

namespace slmtune::store {
namespace {

using Numbers = std::vector<int64_t>;

JournalLine promoted(int64_t number, int64_t from) {
  return {"promote", number, "production", from, "", "", ""};
}

JournalLine rolled_back(int64_t number, int64_t from) {
  return {"rollback", number, "production", from, "", "", ""};
}

Numbers history(std::vector<JournalLine> lines, Aliases aliases) {
  return production_history({std::move(lines), {}}, aliases);
}

TEST(ProductionHistory, IsEmptyWithoutProduction) {
  EXPECT_EQ(history({}, {}), Numbers());
  EXPECT_EQ(history({promoted(1, 0)}, {}), Numbers()) << "announced only";
}

TEST(ProductionHistory, GrowsByPromotionsAndShrinksByRollbacks) {
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1)}, {{"production", 2}}), Numbers({1, 2}));
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), promoted(3, 2), rolled_back(2, 3)},
                    {{"production", 2}}),
            Numbers({1, 2}));
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), promoted(1, 2)}, {{"production", 1}}),
            Numbers({1, 2, 1}));
}

TEST(ProductionHistory, ARollbackMayPassOverSome) {
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), promoted(3, 2), rolled_back(1, 3)},
                    {{"production", 1}}),
            Numbers({1}));
}

TEST(ProductionHistory, LeavesOutTheLastMoveWhenItDidNotHappen) {
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1)}, {{"production", 1}}), Numbers({1}));
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), rolled_back(1, 2)}, {{"production", 2}}),
            Numbers({1, 2}));
}

TEST(ProductionHistory, LeavesOutAnEarlierMoveThatDidNotHappen) {
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), promoted(3, 1)}, {{"production", 3}}),
            Numbers({1, 3}));
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1), rolled_back(1, 2), promoted(3, 2)},
                    {{"production", 3}}),
            Numbers({1, 2, 3}));
}

TEST(ProductionHistory, FollowsAnAliasThatWasMovedByHand) {
  EXPECT_EQ(history({promoted(1, 0), promoted(2, 1)}, {{"production", 9}}), Numbers({1, 9}));
  EXPECT_EQ(history({promoted(1, 0), promoted(3, 9)}, {{"production", 3}}), Numbers({9, 3}));
}

TEST(ProductionHistory, WithoutAJournalItStillKnowsOneStep) {
  EXPECT_EQ(history({}, {{"production", 5}, {"previous", 4}}), Numbers({4, 5}));
  EXPECT_EQ(history({}, {{"production", 5}, {"previous", 5}}), Numbers({5}));
}

TEST(ProductionHistory, OtherAliasesDoNotCount) {
  EXPECT_EQ(history({promoted(1, 0), {"publish", 2, "latest", {}, "", "", ""}},
                    {{"production", 1}, {"latest", 2}}),
            Numbers({1}));
}

TEST(AliasName, IsMadeOfLettersDigitsAndTwoMarks) {
  EXPECT_TRUE(is_alias_name("production"));
  EXPECT_TRUE(is_alias_name("week_7-b"));
  for (const std::string& name :
       {std::string(), std::string("../x"), std::string("a b"), std::string(65, 'a')})
    EXPECT_FALSE(is_alias_name(name)) << name;
}

}  // namespace
}  // namespace slmtune::store
