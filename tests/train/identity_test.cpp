#include "train/identity.h"

#include <gtest/gtest.h>

#include "tests/support/raises.h"

namespace slmtune::train {
namespace {

using slmtune::testing::raises;

TEST(Identity, OfTheSameRunHasNoChanges) {
  EXPECT_TRUE(identity_changes({{"a", "1"}, {"b", "2"}}, {{"a", "1"}, {"b", "2"}}).empty());
}

TEST(Identity, ChangesAreSortedAndHaveBothValues) {
  auto changes = identity_changes({{"b", "2"}, {"c", "3"}}, {{"a", "1"}, {"b", "4"}});
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(change_text(changes[0]), "'a' is 1, but the run was started with absent");
  EXPECT_EQ(change_text(changes[1]), "'b' is 4, but the run was started with 2");
  EXPECT_EQ(change_text(changes[2]), "'c' is absent, but the run was started with 3");
}

TEST(Identity, OfOtherRanksMayHaveOtherThreads) {
  const Identity one = {{"kernel.threads", "2"}, {"a", "1"}},
                 two = {{"kernel.ranks", "2"}, {"kernel.threads", "1"}, {"a", "1"}};
  EXPECT_TRUE(identity_changes(one, two).empty());
  EXPECT_TRUE(identity_changes(two, one).empty());
  Identity other = two;
  other["kernel.threads"] = "4";
  EXPECT_EQ(identity_changes(two, other).size(), 1u);
  other["kernel.ranks"] = "3";
  other["a"] = "2";
  EXPECT_EQ(identity_changes(two, other).size(), 1u);
}

TEST(Identity, ShortensHashesOnly) {
  const std::string hash(64, 'a'), no_hash(64, 'x');
  EXPECT_EQ(change_text({"model.base", hash, "b"}),
            "'model.base' is b, but the run was started with aaaaaaaaaaaa…");
  EXPECT_NE(change_text({"f", no_hash, "b"}).find(no_hash), std::string::npos);
}

TEST(Identity, RefusesWithAllChangesAndTheWaysOn) {
  std::vector<IdentityChange> changes;
  for (size_t count : {1, 3, 25}) {
    while (changes.size() < count)
      changes.push_back({"field" + std::to_string(changes.size()), "1", "2"});
    const std::string last = "'field" + std::to_string(std::min<size_t>(count, 20) - 1) + "' is 2";
    EXPECT_TRUE(raises("T010", {"runs/x: error[T010]: 'field0' is 2", last, "--resume-as-new"},
                       [&] { refuse_changes("runs/x", changes); }));
  }
}

}  // namespace
}  // namespace slmtune::train
