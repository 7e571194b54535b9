// Two processes at once, one publishing and one promoting, under the eyes of a reader.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <functional>

#include "core/file_lock.h"
#include "tests/store/store_fixture.h"
#include "tests/support/counts.h"

namespace slmtune::store {
namespace {

class Races : public StoreTest {
 protected:
  static pid_t start(const std::function<void()>& work) {
    const pid_t child = fork();
    if (child != 0) return child;
    try {
      work();
      _exit(0);
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
      _exit(1);
    }
  }

  // Reads until all children are done; each must have ended well.
  void watch(std::vector<pid_t> children, const std::function<void()>& read) {
    while (!children.empty()) {
      read();
      int status = 0;
      const pid_t done = waitpid(children.back(), &status, WNOHANG);
      if (done == 0) continue;
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
      children.pop_back();
    }
  }
};

TEST_F(Races, ReadersSeeTheAliasesBeforeAMoveOrAfterIt) {
  const int64_t races = testing::full_counts() ? 500 : 60;
  add(3);
  store.promote(1, "");
  store.promote(2, "");
  int64_t reads = 0;
  for (int64_t race = 0; race < races; ++race) {
    const int64_t before = race + 2, after = race + 3;
    const pid_t publisher = start([&] {
      FileLock lock(store.lock_path(), "train");
      add();
    });
    const pid_t promoter = start([&] { store.promote(after, "race"); });
    watch({publisher, promoter}, [&] {
      ++reads;
      const Aliases now = store.aliases();
      ASSERT_TRUE(now.count("production") && now.count("previous") && now.count("latest"));
      const int64_t production = now.at("production");
      ASSERT_TRUE(production == before || production == after);
      ASSERT_EQ(now.at("previous"), production - 1);
      ASSERT_GE(now.at("latest"), after);
      ASSERT_EQ(store.show(now.at("latest")).manifest.number, now.at("latest"));
    });
    ASSERT_EQ(named("production"), after);
    ASSERT_EQ(named("latest"), race + 4);
  }
  EXPECT_TRUE(store.journal().problems.empty());
  EXPECT_EQ(store.rollback("").to, races + 1);
  printf("%ld races, %ld reads\n", static_cast<long>(races), static_cast<long>(reads));
}

TEST_F(Races, PromotionsOfManyProcessesAllCount) {
  add(8);
  std::vector<pid_t> children;
  for (int64_t number = 1; number <= 8; ++number)
    children.push_back(start([&, number] { store.promote(number, ""); }));
  watch(children, [] {});
  EXPECT_EQ(production_history(store.journal(), store.aliases()).size(), 8u);
  EXPECT_TRUE(store.journal().problems.empty());
}

TEST_F(Races, ClaimsOfManyProcessesDiffer) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) children.push_back(start([&] { store.claim(); }));
  watch(children, [] {});
  std::set<int64_t> numbers;
  for (const JournalLine& line : store.journal().lines) numbers.insert(line.number);
  EXPECT_EQ(numbers.size(), 8u);
}

}  // namespace
}  // namespace slmtune::store
