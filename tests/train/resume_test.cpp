#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "core/error.h"
#include "tests/support/counts.h"
#include "tests/support/raises.h"
#include "tests/train/tiny_training.h"
#include "train/checkpoint_folders.h"

namespace slmtune::train {
namespace {

using slmtune::testing::raises;
using slmtune::testing::TempFolder;
using testing::log_lines;
using testing::tiny_lora_model;
using testing::tiny_model;
using testing::tiny_rows;
using testing::TinyRun;

// Everything of a finished run that must not depend on interruptions.
struct Outcome {
  std::string model, optimizer;  // bytes of the last checkpoint
  std::vector<OrderedJson> log;  // without times
};

Outcome outcome_of(const std::filesystem::path& run) {
  auto checkpoint = latest_checkpoint(run);
  EXPECT_TRUE(checkpoint);
  Outcome outcome{TempFolder::read(*checkpoint / "model.safetensors"),
                  TempFolder::read(*checkpoint / "optimizer.safetensors"),
                  {}};
  for (OrderedJson line : log_lines(run)) {
    for (const char* key : {"seconds", "tokens_per_second"}) line.erase(key);
    outcome.log.push_back(line);
  }
  return outcome;
}

using MakeModel = std::unique_ptr<models::CausalLM> (*)();

std::unique_ptr<models::CausalLM> lora_with_dropout() {
  return tiny_lora_model(0.3);
}

std::unique_ptr<models::CausalLM> full_model() {
  auto model = tiny_model();
  testing::require_all_gradients(*model);
  return model;
}

// Trains to the end, stopping (and going on with a fresh process's worth of state) each time
// `should_stop` was asked `stop_every` times; 0 = never.
Outcome train(MakeModel make_model, int stop_every) {
  TinyRun tiny(make_model());
  data::Dataset valid = tiny_rows(6, 99);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.4;
  tiny.job.config.batch_rows = 3;
  tiny.job.identity = {{"data", "aa"}};
  for (int part = 0; part < 100; ++part) {
    int asked = 0;
    tiny.job.should_stop = [&asked, stop_every] { return stop_every && ++asked == stop_every; };
    TrainResult result = run_sft(tiny.job);
    if (result.ended == "done") return outcome_of(tiny.run.path());
    EXPECT_EQ(result.ended, "stopped");
    tiny.model = make_model();
    tiny.job.model = tiny.model.get();
    at::manual_seed(static_cast<uint64_t>(part));  // nothing may depend on what came before
    tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  }
  ADD_FAILURE() << "the run never ended";
  return {};
}

void expect_equal(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.optimizer, b.optimizer);
  ASSERT_EQ(a.log.size(), b.log.size());
  for (size_t i = 0; i < a.log.size(); ++i) EXPECT_EQ(a.log[i].dump(), b.log[i].dump());
}

TEST(Resume, OfALoraRunWithDropoutIsBitEqual) {
  Outcome whole = train(lora_with_dropout, 0);
  for (int stop_every : {8, 11, 17, 30}) {
    SCOPED_TRACE(stop_every);
    expect_equal(train(lora_with_dropout, stop_every), whole);
  }
}

TEST(Resume, OfAFullRunIsBitEqual) {
  Outcome whole = train(full_model, 0);
  expect_equal(train(full_model, 13), whole);
}

TEST(Resume, GoesOnFromAnOlderCheckpointWhenTheLastIsDamaged) {
  Outcome whole = train(lora_with_dropout, 0);
  TinyRun tiny(lora_with_dropout());
  data::Dataset valid = tiny_rows(6, 99);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.4;
  tiny.job.config.batch_rows = 3;
  tiny.job.config.save_minutes = 1e-9;  // after every step
  tiny.job.identity = {{"data", "aa"}};
  int asked = 0;
  tiny.job.should_stop = [&asked] { return ++asked == 25; };
  ASSERT_EQ(run_sft(tiny.job).ended, "stopped");
  auto newest = latest_checkpoint(tiny.run.path());
  std::filesystem::resize_file(*newest / "optimizer.safetensors", 100);
  tiny.model = lora_with_dropout();
  tiny.job.model = tiny.model.get();
  tiny.job.should_stop = nullptr;
  tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  ASSERT_TRUE(tiny.job.resume_from);
  ASSERT_NE(*tiny.job.resume_from, *newest);
  ASSERT_EQ(run_sft(tiny.job).ended, "done");
  expect_equal(outcome_of(tiny.run.path()), whole);
}

TEST(Resume, RefusesOtherData) {
  TinyRun tiny(lora_with_dropout());
  tiny.job.identity = {{"data", "aa"}};
  tiny.job.config.max_steps = 2;
  run_sft(tiny.job);
  tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  tiny.job.identity = {{"data", "bb"}};
  EXPECT_TRUE(raises("T010", {"'data' is bb", "started with aa"}, [&] { run_sft(tiny.job); }));
}

// Two epochs of 20 steps, four micro-batches each, dropout, a validation every ten steps.
struct FortySteps {
  FortySteps() : tiny(lora_with_dropout(), 80), valid(tiny_rows(3, 99)) {
    tiny.job.valid = &valid;
    tiny.job.pack = false;
    tiny.job.eval.every = 0.5;
  }

  // Goes on as a fresh process would.
  void restart() {
    tiny.model = lora_with_dropout();
    tiny.job.model = tiny.model.get();
    at::manual_seed(12345);
    tiny.job.should_stop = nullptr;
    tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  }

  TinyRun tiny;
  data::Dataset valid;
};

// Steps done each time the uninterrupted run asks whether to stop, and how it ends.
struct Uninterrupted {
  Uninterrupted() {
    FortySteps run;
    run.tiny.job.should_stop = [&] {
      const auto lines = log_lines(run.tiny.run.path());
      steps_at_ask.push_back(lines.empty() ? 0 : lines.back()["step"].get<int64_t>());
      return false;
    };
    EXPECT_EQ(run_sft(run.tiny.job).state.step, 40);
    outcome = outcome_of(run.tiny.run.path());
  }

  std::vector<int64_t> steps_at_ask;
  Outcome outcome;
};

Outcome stopped_at(size_t ask) {
  FortySteps run;
  size_t asked = 0;
  run.tiny.job.should_stop = [&] { return asked++ == ask; };
  EXPECT_EQ(run_sft(run.tiny.job).ended, "stopped");
  run.restart();
  EXPECT_EQ(run_sft(run.tiny.job).ended, "done");
  return outcome_of(run.tiny.run.path());
}

TEST(Resume, AtEachOfFortyStepsEndsWithTheSameBytes) {
  const Uninterrupted whole;
  for (int64_t step = 1; step <= 40; ++step) {
    SCOPED_TRACE(step);
    const auto ask = std::ranges::find(whole.steps_at_ask, step);
    ASSERT_NE(ask, whole.steps_at_ask.end());
    expect_equal(stopped_at(static_cast<size_t>(ask - whole.steps_at_ask.begin())), whole.outcome);
  }
}

TEST(Resume, InTheMiddleOfStepsAndValidationsEndsWithTheSameBytes) {
  const Uninterrupted whole;
  const std::vector<uint64_t> asks = permutation(whole.steps_at_ask.size(), 11);
  const size_t count = slmtune::testing::full_counts() ? asks.size() : asks.size() / 10;
  for (size_t i = 0; i < count; ++i) {
    SCOPED_TRACE(asks[i]);
    expect_equal(stopped_at(asks[i]), whole.outcome);
  }
}

// A validation that a stop cut short is done when the run goes on; a kill after it must not leave
// its line twice.
TEST(Resume, LogsAValidationOnceWhenItIsDoneAgain) {
  FortySteps run;
  const Uninterrupted whole;
  size_t asked = 0;
  run.tiny.job.should_stop = [&] { return asked++ == 10 * 4 + 2; };  // within the first validation
  ASSERT_EQ(run_sft(run.tiny.job).ended, "stopped");
  run.restart();
  asked = 0;
  run.tiny.job.should_stop = [&]() -> bool {
    if (asked++ == 4) throw std::runtime_error("killed");  // after it, within the next step
    return false;
  };
  EXPECT_THROW(run_sft(run.tiny.job), std::runtime_error);
  run.restart();
  ASSERT_EQ(run_sft(run.tiny.job).ended, "done");
  expect_equal(outcome_of(run.tiny.run.path()), whole.outcome);
}

TEST(Resume, CountsBadStepsInARowAcrossAStop) {
  TinyRun tiny(testing::poisoned_model());
  for (size_t row = 0; row < tiny.train.rows.size(); ++row) testing::poison(tiny.train, row);
  tiny.job.pack = false;
  int asked = 0;
  tiny.job.should_stop = [&asked] { return ++asked == 2 * 4 + 1; };
  TrainResult result = run_sft(tiny.job);
  ASSERT_EQ(result.ended, "stopped");
  ASSERT_EQ(result.state.bad_steps, 2);
  tiny.job.should_stop = nullptr;
  tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  EXPECT_TRUE(raises("T001", {"step 3"}, [&] { run_sft(tiny.job); }));
}

// --resume-as-new: weights and moments of another run, all counts from the beginning.
TEST(Resume, StartsANewRunFromTheWeightsAndMomentsOfAnother) {
  TinyRun first(lora_with_dropout());
  first.job.config.max_steps = 4;
  run_sft(first.job);
  TinyRun second(lora_with_dropout());
  second.job.start_from = latest_checkpoint(first.run.path());
  second.job.config.max_steps = 1;
  second.job.config.learning_rate = 1e-12;  // moves nothing
  TrainResult result = run_sft(second.job);
  EXPECT_EQ(result.state.step, 1);
  EXPECT_EQ(log_lines(second.run.path()).size(), 1u);
  auto before = models::trainable_tensors(*first.model),
       after = models::trainable_tensors(*second.model);
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_TRUE(at::allclose(before[i].second, after[i].second, 0, 1e-9)) << before[i].first;
  auto file = SafetensorsFile::open(*latest_checkpoint(second.run.path()) / kCheckpointFiles[1]);
  at::Tensor steps = models::borrow_tensor(file.tensors().at("step"));
  EXPECT_TRUE((steps == 5).all().item<bool>());
}

TEST(Resume, OfAFinishedRunOnlyReturnsItsNumbers) {
  TinyRun tiny(lora_with_dropout());
  tiny.job.config.max_steps = 3;
  TrainResult first = run_sft(tiny.job);
  tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  TrainResult second = run_sft(tiny.job);
  EXPECT_EQ(second.ended, "done");
  EXPECT_EQ(second.first_loss, first.first_loss);
  EXPECT_EQ(second.last_loss, first.last_loss);
}

}  // namespace
}  // namespace slmtune::train
