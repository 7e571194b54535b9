// Random sequences of publish, promote, rollback, withdraw, gc, damage and SIGKILL against a small
// model of what a store means.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <functional>
#include <set>

#include "core/error.h"
#include "core/seed.h"
#include "store/retention.h"
#include "tests/store/store_fixture.h"
#include "tests/support/counts.h"

namespace slmtune::store {
namespace {

using Numbers = std::set<int64_t>;

constexpr int64_t kLater = int64_t{1} << 40;  // no promotion is recent by then

// What the store should be, told in sets and lists.
struct Model {
  Numbers published, withdrawn, damaged;
  std::vector<int64_t> history;  // of production
  int64_t candidate = 0, highest = 0;

  bool operator==(const Model&) const = default;

  int64_t production() const { return history.empty() ? 0 : history.back(); }

  // Where a rollback goes; `with_damaged` tells whether it has looked at the content.
  int64_t previous(bool looks) const {
    for (size_t i = history.size(); i-- > 0;) {
      const int64_t one = history[i];
      if (one != production() && published.count(one) && !withdrawn.count(one) &&
          !(looks && damaged.count(one)))
        return one;
    }
    return 0;
  }

  void publish() {
    published.insert(++highest);
    candidate = highest;
  }

  bool promote(int64_t number) {
    if (!published.count(number) || withdrawn.count(number) || damaged.count(number)) return false;
    if (production() != number) history.push_back(number);
    if (candidate == number) candidate = 0;
    return true;
  }

  bool rollback() {
    const int64_t to = previous(true);
    if (to == 0) return false;
    history.pop_back();
    while (history.back() != to) history.pop_back();
    if (candidate == to) candidate = 0;
    return true;
  }

  void withdraw(int64_t number) {
    withdrawn.insert(number);
    if (candidate == number) candidate = 0;
  }

  int64_t latest() const {
    int64_t newest = 0;
    for (int64_t number : published)
      if (!withdrawn.count(number)) newest = number;
    return newest;
  }

  // `previous_now` is the alias, which a damaged snapshot keeps.
  void collect(int64_t keep) {
    const Numbers named = {production(), previous(false), candidate, latest()};
    Numbers stay;
    int64_t newer = static_cast<int64_t>(published.size());
    for (int64_t number : published)
      if (--newer < keep ? !withdrawn.count(number) || named.count(number) : named.count(number))
        stay.insert(number);
    published = stay;
  }
};

class RandomMoves : public StoreTest {
 protected:
  enum Kind { kPublish, kPromote, kRollback, kWithdraw, kCollect, kKinds };
  struct Move {
    Kind kind = kPublish;
    int64_t number = 0;
  };

  // On the store. False when it was refused.
  static bool apply(SnapshotStore& on, const Move& move) {
    try {
      switch (move.kind) {
        case kPublish: {
          Manifest manifest;
          manifest.number = on.claim();
          std::ofstream(on.staging(manifest.number) / "adapter.bin") << "weights";
          on.publish(manifest);
          return true;
        }
        case kPromote:
          on.promote(move.number, "random");
          return true;
        case kRollback:
          on.rollback("random");
          return true;
        case kWithdraw:
          on.withdraw({move.number}, "random");
          return true;
        default:
          apply_retention(on, {move.number, 0, kLater});
          return true;
      }
    } catch (const Error&) {
      return false;
    }
  }

  static bool apply(Model& model, const Move& move) {
    switch (move.kind) {
      case kPublish:
        model.publish();
        return true;
      case kPromote:
        return model.promote(move.number);
      case kRollback:
        return model.rollback();
      case kWithdraw:
        model.withdraw(move.number);
        return true;
      default:
        model.collect(move.number);
        return true;
    }
  }

  Move random_move(SplitMix64& random, const Model& model) const {
    const uint64_t weights[kKinds] = {5, 6, 3, 1, 2};
    uint64_t drawn = random.below(17);
    int kind = 0;
    while (drawn >= weights[kind]) drawn -= weights[kind++];
    Move move{static_cast<Kind>(kind), 0};
    if (kind == kCollect) move.number = 1 + static_cast<int64_t>(random.below(4));
    if (kind == kPromote)
      move.number =
          1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(model.highest) + 1));
    if (kind == kWithdraw) move.number = model.published.empty() ? 1 : *model.published.begin();
    if (kind == kWithdraw && model.published.empty()) move.kind = kPublish;
    return move;
  }

  // Runs the move in a process that is killed after a random time.
  void apply_killed(const Move& move, SplitMix64& random) {
    const pid_t child = fork();
    if (child == 0) {
      apply(store, move);
      _exit(0);
    }
    usleep(static_cast<useconds_t>(random.below(1200)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    store.sweep();
  }

  // Whether the store is what the model says; the first difference, "" if none.
  std::string difference(const Model& model) const {
    const std::vector<int64_t> numbers = store.published();
    if (Numbers(numbers.begin(), numbers.end()) != model.published) return "published";
    if (named("production") != model.production()) return "production";
    if (named("latest") != model.latest()) return "latest";
    if (named("candidate") != model.candidate) return "candidate";
    if (withdrawn_numbers(store.journal()) != model.withdrawn) return "withdrawn";
    return "";
  }

  // After a kill: the model as it is if the move happened, did not, or stopped half way (gc).
  bool adopt(Model& model, const Move& move) const {
    Model after = model;
    apply(after, move);
    // A number that was taken and never published.
    for (const JournalLine& line : store.journal().lines)
      model.highest = std::max(model.highest, line.number);
    after.highest = std::max(after.highest, model.highest);
    if (move.kind == kCollect) {
      const std::vector<int64_t> numbers = store.published();
      const Numbers now(numbers.begin(), numbers.end());
      const bool between =
          std::includes(model.published.begin(), model.published.end(), now.begin(), now.end()) &&
          std::includes(now.begin(), now.end(), after.published.begin(), after.published.end());
      if (between) model.published = after.published = now;
    }
    if (difference(model).empty()) return true;
    model = after;
    return difference(model).empty();
  }

  void expect_sound_production(const Model& model) const {
    const int64_t production = named("production");
    if (production == 0) return;
    ASSERT_NO_THROW(store.verify(production));
    ASSERT_FALSE(model.damaged.count(production));
  }

  void run_sequence(uint64_t seed);
};

void RandomMoves::run_sequence(uint64_t seed) {
  SplitMix64 random(seed);
  Model model;
  std::string told;
  for (int step = 0; step < 24; ++step) {
    const Move move = random_move(random, model);
    told += " " + std::to_string(move.kind) + ":" + std::to_string(move.number);
    if (random.below(4) == 0) {
      told += "k";
      apply_killed(move, random);
      ASSERT_TRUE(adopt(model, move)) << "seed " << seed << told << ": " << difference(model);
    } else {
      const bool expected = apply(model, move);
      ASSERT_EQ(apply(store, move), expected) << "seed " << seed << told;
      ASSERT_EQ(difference(model), "") << "seed " << seed << told;
    }
    // Only what nobody serves is damaged: rotting under production is what verify is for.
    if (random.below(8) == 0)
      for (int64_t number : model.published)
        if (number != model.production() && !model.damaged.count(number) && random.below(3) == 0) {
          damage(number);
          model.damaged.insert(number);
        }
    expect_sound_production(model);
  }
  ASSERT_TRUE(store.journal().problems.size() <= 24u) << told;
}

TEST_F(RandomMoves, ProductionIsAlwaysAVerifiedSnapshot) {
  const uint64_t sequences = testing::full_counts() ? 1000 : 100;
  for (uint64_t seed = 1; seed <= sequences && !HasFatalFailure(); ++seed) {
    store = SnapshotStore::create_or_open(folder.path() / std::to_string(seed));
    run_sequence(seed);
    std::filesystem::remove_all(store.path());
  }
}

}  // namespace
}  // namespace slmtune::store
