// Steps without stalls: numbers that are read one step late, batches that are packed one step
// ahead. Neither changes anything that a run leaves behind.
#include <ATen/ATen.h>

#include <limits>

#include "core/error.h"
#include "tests/support/raises.h"
#include "tests/train/tiny_preference.h"
#include "train/checkpoint_folders.h"
#include "train/dpo.h"
#include "train/kto.h"
#include "train/next_batches.h"

namespace slmtune::train {
namespace {

using slmtune::testing::raises;
using namespace testing;

// A run with validations and checkpoints between its steps.
FinishedRun run_with(bool reads_late, RunObjective run, data::Dataset rows, data::Dataset valid,
                     double save_minutes = 10.0) {
  TinyRun tiny(tiny_lora_model(0.3));
  tiny.train = std::move(rows);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.5;
  tiny.job.config.save_minutes = save_minutes;
  tiny.job.reads_late = reads_late;
  EXPECT_EQ(run(tiny.job).ended, "done");
  return finished(tiny.run.path());
}

TEST(LateReading, LeavesTheSameRunOfEveryObjective) {
  expect_same_run(run_with(true, run_sft, tiny_rows(20), tiny_rows(5, 9)),
                  run_with(false, run_sft, tiny_rows(20), tiny_rows(5, 9)));
  expect_same_run(run_with(true, run_dpo, tiny_pairs(12), tiny_pairs(4, 9)),
                  run_with(false, run_dpo, tiny_pairs(12), tiny_pairs(4, 9)));
  expect_same_run(run_with(true, run_kto, tiny_votes(12), tiny_votes(6, 9)),
                  run_with(false, run_kto, tiny_votes(12), tiny_votes(6, 9)));
}

TEST(LateReading, SavesWhatTheStepsBeforeHaveDone) {
  expect_same_run(run_with(true, run_sft, tiny_rows(20), tiny_rows(5, 9), 1e-9),
                  run_with(false, run_sft, tiny_rows(20), tiny_rows(5, 9), 1e-9));
}

TEST(LateReading, TellsAStepWhenTheNextOneIsQueued) {
  TinyRun tiny(tiny_lora_model());
  tiny.job.reads_late = true;
  tiny.job.pack = false;  // four questions a step
  std::vector<size_t> lines;
  tiny.job.should_stop = [&] {
    lines.push_back(log_lines(tiny.run.path()).size());
    return false;
  };
  run_sft(tiny.job);
  // Not one of the ten steps is told while its follower is under way.
  for (size_t asked = 0; asked < lines.size(); ++asked)
    EXPECT_EQ(lines[asked], asked / 4 < 2 ? 0 : asked / 4 - 1);
  EXPECT_EQ(log_lines(tiny.run.path()).size(), 10u);
}

TEST(LateReading, StopsWithTheStepsThatAreDone) {
  for (const int stop_at : {5, 6, 8, 9, 17}) {
    TinyRun tiny(tiny_lora_model());
    tiny.job.reads_late = true;
    tiny.job.pack = false;
    int asked = 0;
    tiny.job.should_stop = [&] { return ++asked == stop_at; };
    const TrainResult result = run_sft(tiny.job);
    EXPECT_EQ(result.ended, "stopped");
    EXPECT_EQ(result.state.step, (stop_at - 1) / 4);
    EXPECT_EQ(log_lines(tiny.run.path()).size(), static_cast<size_t>(result.state.step));
    EXPECT_EQ(read_state(*latest_checkpoint(tiny.run.path())).step, result.state.step);
  }
}

TEST(LateReading, EndsAtTheTimeLimitWithAStepThatCounts) {
  TinyRun tiny(tiny_lora_model());
  tiny.job.reads_late = true;
  tiny.job.config.max_minutes = 1e-9;
  const TrainResult result = run_sft(tiny.job);
  EXPECT_EQ(result.ended, "max_minutes");
  EXPECT_EQ(result.state.step, 1);
  EXPECT_EQ(log_lines(tiny.run.path()).size(), 1u);
}

TEST(LateReading, SkipsABadStepAndNothingElse) {
  const auto run = [](bool reads_late) {
    TinyRun tiny(poisoned_model());
    poison(tiny.train, 7);
    tiny.job.reads_late = reads_late;
    const TrainResult result = run_sft(tiny.job);
    EXPECT_EQ(result.state.skipped_steps, 2);  // once an epoch
    EXPECT_EQ(result.state.bad_steps, 0);
    return finished(tiny.run.path());
  };
  expect_same_run(run(true), run(false));
}

TEST(LateReading, ThreeBadStepsStopTheRunBeforeAFourthChangesAnything) {
  TinyRun tiny(poisoned_model());
  tiny.job.pack = false;
  tiny.job.reads_late = true;
  at::Tensor embedding;
  tiny.model->for_each_parameter([&](const std::string& name, at::Tensor& tensor) {
    if (name == "model.embed_tokens.weight") embedding = tensor.detach();
  });
  const at::Tensor sound = embedding.clone();
  const auto weights = [&] {
    std::vector<at::Tensor> all;
    for (const auto& [name, tensor] : models::trainable_tensors(*tiny.model))
      all.push_back(tensor.detach().flatten());
    return at::cat(all);
  };
  at::Tensor after_two;
  int asked = 0;
  tiny.job.should_stop = [&] {
    ++asked;
    if (asked == 2 * 4 + 1) {
      after_two = weights();
      embedding.fill_(std::numeric_limits<float>::quiet_NaN());
    }
    if (asked == 5 * 4 + 1) embedding.copy_(sound);  // the sixth step would be good again
    return false;
  };
  EXPECT_TRUE(raises("T001", {"step 5"}, [&] { run_sft(tiny.job); }));
  EXPECT_EQ(asked, 6 * 4);
  EXPECT_EQ(log_lines(tiny.run.path()).size(), 5u);
  EXPECT_TRUE(at::equal(weights(), after_two));
}

bool same_batches(const std::vector<data::MicroBatch>& a, const std::vector<data::MicroBatch>& b) {
  return std::ranges::equal(a, b, [](const data::MicroBatch& one, const data::MicroBatch& other) {
    return one.ids == other.ids && one.labels == other.labels && one.starts == other.starts &&
           one.positions == other.positions && one.rows == other.rows;
  });
}

struct Batches {
  data::Dataset rows = tiny_rows(22);
  TrainConfig config = [] {
    TrainConfig some;
    some.batch_rows = 4;
    some.micro_batch_tokens = 32;
    return some;
  }();
  RunPlan plan = make_plan(rows, config, {}, true, true);
};

TEST(NextBatches, AreThoseOfTheSteps) {
  Batches data;
  NextBatches next(data.rows, data.config);
  StepBatches plain(data.rows, data.plan, data.config);
  for (int64_t step = 0; step < data.plan.total; ++step)
    EXPECT_TRUE(same_batches(next.of(data.plan, step), plain.of(step))) << step;
  EXPECT_EQ(next.packed_before(), data.plan.total - 1);
}

TEST(NextBatches, AreAnyStepsInAnyOrder) {
  Batches data;
  NextBatches next(data.rows, data.config);
  StepBatches plain(data.rows, data.plan, data.config);
  for (const int64_t step : {7, 3, 4, 4, 11, 0})
    EXPECT_TRUE(same_batches(next.of(data.plan, step), plain.of(step))) << step;
  EXPECT_EQ(next.packed_before(), 1);
}

TEST(NextBatches, FollowALimitThatChanges) {
  Batches data;
  NextBatches next(data.rows, data.config);
  next.of(data.plan, 0);
  data.plan.micro_batch_tokens = 16;
  StepBatches plain(data.rows, data.plan, data.config);
  EXPECT_TRUE(same_batches(next.of(data.plan, 1), plain.of(1)));
  EXPECT_TRUE(same_batches(next.of(data.plan, 2), plain.of(2)));
  EXPECT_EQ(next.packed_before(), 1);
}

}  // namespace
}  // namespace slmtune::train
