// Several ranks, each a thread with its own copy of the model, train what one process trains.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "collective/store_collective.h"
#include "tests/collective/ranks_in_threads.h"
#include "tests/train/tiny_preference.h"
#include "train/dpo.h"
#include "train/kto.h"

namespace slmtune::train {
namespace {

using collective::Launch;
using collective::StoreCollective;
using namespace testing;

using Change = std::function<void(TinyRun&, data::Dataset& valid)>;

struct Trained {
  std::vector<OrderedJson> log;
  TrainResult result;
};

// By one process, or by `ranks`; of several the leader's.
Trained train(int ranks, RunObjective objective, const data::Dataset& rows, const Change& change) {
  Trained trained;
  const auto one = [&](collective::Collective& all) {
    // Its weights come from LibTorch's one generator, which threads would mix.
    static std::mutex building;
    std::unique_lock lock(building);
    TinyRun tiny(tiny_lora_model());
    lock.unlock();
    tiny.train = rows;
    data::Dataset valid = rows;
    tiny.job.valid = &valid;
    tiny.job.eval.every = 1;
    tiny.job.ranks = &all;
    if (!all.leads()) tiny.job.run = nullptr;
    change(tiny, valid);
    const TrainResult result = objective(tiny.job);
    all.leave();
    if (all.leads()) trained = {log_lines(tiny.run.path()), result};
    if (!all.leads()) {
      EXPECT_TRUE(log_lines(tiny.run.path()).empty());
    }
  };
  if (ranks == 1) {
    one(collective::alone());
    return trained;
  }
  const auto thrown =
      collective::testing::in_threads(collective::testing::ranks_of(ranks), [&](const Launch& l) {
        StoreCollective all(l);
        one(all);
      });
  for (const std::string& text : thrown) EXPECT_EQ(text, "");
  return trained;
}

void expect_same_log(const Trained& one, const Trained& several) {
  ASSERT_EQ(one.log.size(), several.log.size());
  ASSERT_GT(one.log.size(), 10u);
  for (size_t i = 0; i < one.log.size(); ++i) {
    for (const char* key : {"tokens", "label_tokens", "learning_rate", "step"})
      EXPECT_EQ(one.log[i].contains(key), several.log[i].contains(key));
    for (const auto& [key, value] : one.log[i].items()) {
      if (key == "seconds" || key == "tokens_per_second" || !value.is_number()) continue;
      const double expected = value, found = several.log[i][key];
      const double tolerance = key.find("loss") != key.npos ? 1e-6 : 1e-4;
      EXPECT_LE(std::abs(found - expected), tolerance * std::max(1e-2, std::abs(expected)))
          << key << " of line " << i << ": " << found << " instead of " << expected;
    }
  }
  EXPECT_EQ(one.result.state.rows_seen, several.result.state.rows_seen);
  EXPECT_EQ(one.result.state.tokens_seen, several.result.state.tokens_seen);
}

void nothing(TinyRun&, data::Dataset&) {}

TEST(SeveralRanks, LossesOfSftAreThoseOfOneProcess) {
  const data::Dataset rows = tiny_rows(20);
  const Trained one = train(1, run_sft, rows, nothing);
  expect_same_log(one, train(2, run_sft, rows, nothing));
  expect_same_log(one, train(3, run_sft, rows, nothing));
}

TEST(SeveralRanks, LossesOfDpoAreThoseOfOneProcess) {
  const data::Dataset pairs = tiny_pairs(20);
  expect_same_log(train(1, run_dpo, pairs, nothing), train(2, run_dpo, pairs, nothing));
}

TEST(SeveralRanks, LossesOfKtoAreThoseOfOneProcess) {
  const data::Dataset votes = tiny_votes(20);
  expect_same_log(train(1, run_kto, votes, nothing), train(2, run_kto, votes, nothing));
}

TEST(SeveralRanks, EightBitMomentsAndRowsThatAreNotPackedToo) {
  const Change change = [](TinyRun& tiny, data::Dataset&) {
    tiny.job.config.optimizer = "adamw8bit";
    tiny.job.config.max_steps = 6;
    tiny.job.config.epochs = 3;
    tiny.job.pack = false;
  };
  const data::Dataset rows = tiny_rows(20);
  const Trained one = train(1, run_sft, rows, change), two = train(2, run_sft, rows, change);
  ASSERT_EQ(one.log.size(), two.log.size());
  for (size_t i = 0; i < one.log.size(); ++i)
    if (one.log[i].contains("loss")) {
      EXPECT_NEAR(one.log[i]["loss"].get<double>(), two.log[i]["loss"].get<double>(), 1e-5);
    }
}

TEST(SeveralRanks, MoreRanksThanRowsOfAStepLeaveSomeIdle) {
  const Change change = [](TinyRun& tiny, data::Dataset&) { tiny.job.config.batch_rows = 1; };
  const data::Dataset rows = tiny_rows(12);
  expect_same_log(train(1, run_sft, rows, change), train(2, run_sft, rows, change));
}

TEST(SeveralRanks, ARankThatIsAskedToStopStopsAllAtTheSameStep) {
  std::atomic<int> asked = 0;
  const Change change = [&asked](TinyRun& tiny, data::Dataset&) {
    if (tiny.job.run) return;  // the leader is not asked
    tiny.job.should_stop = [&asked] { return ++asked > 9; };
  };
  const Trained stopped = train(2, run_sft, tiny_rows(20), change);
  EXPECT_EQ(stopped.result.ended, "stopped");
  EXPECT_GT(stopped.result.state.step, 0);
  EXPECT_LT(stopped.result.state.step, stopped.result.total_steps);
}

TEST(SeveralRanks, ALossThatIsNotFiniteOnOneRankSkipsTheStepOnAll) {
  data::Dataset rows = tiny_rows(20);
  poison(rows, 3);
  std::mutex mutex;
  std::vector<int64_t> skipped;
  const auto thrown =
      collective::testing::in_threads(collective::testing::ranks_of(2), [&](const Launch& launch) {
        StoreCollective all(launch);
        TinyRun tiny(poisoned_model());
        tiny.train = rows;
        tiny.job.ranks = &all;
        if (!all.leads()) tiny.job.run = nullptr;
        const TrainResult result = run_sft(tiny.job);
        all.leave();
        const std::lock_guard lock(mutex);
        skipped.push_back(result.state.skipped_steps);
      });
  for (const std::string& text : thrown) EXPECT_EQ(text, "");
  EXPECT_EQ(skipped, (std::vector<int64_t>{2, 2}));  // once in each of two epochs
}

}  // namespace
}  // namespace slmtune::train
