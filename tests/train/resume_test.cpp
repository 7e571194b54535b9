#include <ATen/ATen.h>

#include "core/error.h"
#include "tests/train/tiny_training.h"

namespace slmtune::train {
namespace {

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
    SftResult result = run_sft(tiny.job);
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
  EXPECT_THROW(run_sft(tiny.job), UserError);
}

TEST(Resume, OfAFinishedRunOnlyReturnsItsNumbers) {
  TinyRun tiny(lora_with_dropout());
  tiny.job.config.max_steps = 3;
  SftResult first = run_sft(tiny.job);
  tiny.job.resume_from = latest_checkpoint(tiny.run.path());
  SftResult second = run_sft(tiny.job);
  EXPECT_EQ(second.ended, "done");
  EXPECT_EQ(second.first_loss, first.first_loss);
  EXPECT_EQ(second.last_loss, first.last_loss);
}

}  // namespace
}  // namespace slmtune::train
