#include "train/sft.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/train/tiny_training.h"
#include "train/checkpoint_folders.h"

namespace slmtune::train {
namespace {

using testing::log_lines;
using testing::poison;
using testing::poisoned_model;
using testing::tiny_lora_model;
using testing::tiny_model;
using testing::tiny_rows;
using testing::TinyRun;

double largest_difference(models::CausalLM& a, models::CausalLM& b) {
  double largest = 0.0;
  auto left = models::trainable_tensors(a), right = models::trainable_tensors(b);
  EXPECT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i)
    largest = std::max(largest, (left[i].second - right[i].second).abs().max().item<double>());
  return largest;
}

TEST(TotalSteps, CountsPartialBatchesAndFractions) {
  TrainConfig config;
  config.batch_rows = 4;
  config.epochs = 1;
  EXPECT_EQ(total_steps(config, 10), 3);
  config.epochs = 2;
  EXPECT_EQ(total_steps(config, 10), 6);
  config.epochs = 0.5;
  EXPECT_EQ(total_steps(config, 10), 2);
  config.epochs = 0.1;
  EXPECT_EQ(total_steps(config, 120), 3);
  config.epochs = 0.001;
  EXPECT_EQ(total_steps(config, 10), 1);
  config.epochs = 100;
  config.max_steps = 7;
  EXPECT_EQ(total_steps(config, 10), 7);
}

TEST(Sft, LowersTheLossAndLogsEveryStep) {
  TinyRun tiny(tiny_lora_model());
  tiny.job.config.epochs = 10;
  TrainResult result = run_sft(tiny.job);
  EXPECT_EQ(result.ended, "done");
  EXPECT_EQ(result.total_steps, 50);
  EXPECT_EQ(result.state.step, 50);
  EXPECT_EQ(result.state.rows_seen, 200);
  EXPECT_LT(result.last_loss, 0.9 * result.first_loss);
  auto lines = log_lines(tiny.run.path());
  ASSERT_EQ(lines.size(), 50u);
  for (const char* key : {"step", "epoch", "loss", "learning_rate", "grad_norm", "tokens",
                          "label_tokens", "tokens_per_second", "seconds"})
    EXPECT_TRUE(lines[3].contains(key)) << key;
  EXPECT_EQ(lines[3]["step"], 4);
  EXPECT_EQ(lines[0]["learning_rate"], 0.0);
}

TEST(Sft, TrainsEveryParameterOfAFullModel) {
  TinyRun tiny(tiny_model());
  testing::require_all_gradients(*tiny.model);
  auto before = tiny_model();
  testing::require_all_gradients(*before);
  tiny.job.config.epochs = 5;
  TrainResult result = run_sft(tiny.job);
  EXPECT_LT(result.last_loss, result.first_loss);
  auto left = models::trainable_tensors(*tiny.model), right = models::trainable_tensors(*before);
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_FALSE(at::equal(left[i].second, right[i].second)) << left[i].first;
}

// One micro-batch of all rows, or many small ones: the same gradient of the same step.
TEST(Sft, AccumulationEightTimesOneEqualsOneTimesEight) {
  auto trained = [](int64_t micro_batch_tokens, bool pack) {
    TinyRun tiny(tiny_lora_model());
    tiny.job.config.batch_rows = 8;
    tiny.job.config.micro_batch_tokens = micro_batch_tokens;
    tiny.job.config.weight_decay = 0.01;
    tiny.job.pack = pack;
    TrainResult result = run_sft(tiny.job);
    return std::pair(std::move(tiny.model), result.last_loss);
  };
  auto [whole, loss] = trained(4096, true);
  for (auto [tokens, pack] : {std::pair(16, true), std::pair(40, true), std::pair(4096, false)}) {
    auto [other, other_loss] = trained(tokens, pack);
    EXPECT_NEAR(loss, other_loss, 1e-5 * loss);
    EXPECT_LE(largest_difference(*whole, *other), 2e-5);
  }
}

TEST(Sft, ValidatesAtItsShareOfAnEpochAndAtTheEnd) {
  TinyRun tiny(tiny_lora_model(0.1));
  data::Dataset valid = tiny_rows(5, 99);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.5;  // 5 steps an epoch: every 3rd (2.5 rounded) step
  TrainResult result = run_sft(tiny.job);
  std::vector<int64_t> steps;
  for (const auto& line : log_lines(tiny.run.path()))
    if (line.contains("valid_loss")) steps.push_back(line["step"].get<int64_t>());
  EXPECT_EQ(steps, (std::vector<int64_t>{3, 6, 9, 10}));
  ASSERT_TRUE(result.valid_loss);
  EXPECT_LE(*result.state.best_valid_loss, *result.valid_loss);
}

// A learning rate that makes the model worse after the first validation: the best checkpoint is not
// among the last two, and stays.
TEST(Sft, KeepsTheCheckpointOfTheBestValidation) {
  TinyRun tiny(tiny_lora_model());
  data::Dataset valid = tiny_rows(5, 99);
  tiny.job.valid = &valid;
  tiny.job.eval.every = 0.2;  // every step
  tiny.job.config.epochs = 3;
  tiny.job.config.schedule = "constant";
  tiny.job.config.learning_rate = 0.1;
  tiny.job.config.save_minutes = 1e-9;
  TrainResult result = run_sft(tiny.job);
  const int64_t best = result.state.best_valid_step;
  ASSERT_LT(best, result.state.step - 2) << "the learning rate was too kind";
  std::vector<int64_t> steps;
  for (const CheckpointFolder& folder : checkpoint_folders(tiny.run.path()))
    steps.push_back(folder.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{best, 14, 15}));
  TrainState state = read_state(checkpoint_path(tiny.run.path(), best));
  EXPECT_EQ(state.valid_loss, result.state.best_valid_loss);
}

TEST(Sft, ValidationDoesNotChangeTraining) {
  auto trained = [](bool with_validation) {
    TinyRun tiny(tiny_lora_model(0.2));
    data::Dataset valid = tiny_rows(5, 99);
    if (with_validation) tiny.job.valid = &valid;
    tiny.job.eval.every = 0.2;
    run_sft(tiny.job);
    return std::move(tiny.model);
  };
  EXPECT_EQ(largest_difference(*trained(true), *trained(false)), 0.0);
}

TEST(Sft, SkipsAStepWhoseLossIsNotFinite) {
  TinyRun tiny(poisoned_model());
  poison(tiny.train, 7);
  tiny.job.config.epochs = 1;
  TrainResult result = run_sft(tiny.job);
  EXPECT_EQ(result.state.skipped_steps, 1);
  EXPECT_EQ(result.state.step, 5);
  int skipped = 0;
  for (const auto& line : log_lines(tiny.run.path()))
    if (line.contains("skipped")) {
      EXPECT_TRUE(line["loss"].is_null());
      ++skipped;
    }
  EXPECT_EQ(skipped, 1);
  for (auto& [name, tensor] : models::trainable_tensors(*tiny.model))
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
}

TEST(Sft, StopsAfterThreeBadStepsInARow) {
  TinyRun tiny(poisoned_model());
  for (size_t row = 0; row < tiny.train.rows.size(); ++row) poison(tiny.train, row);
  try {
    run_sft(tiny.job);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.code(), "T001");
    EXPECT_EQ(error.exit_code(), ExitCode::kRefused);
  }
  EXPECT_EQ(log_lines(tiny.run.path()).size(), 3u);
  EXPECT_FALSE(latest_checkpoint(tiny.run.path()));
}

// Good steps, then a model that broke: the checkpoint from before the bad steps is the newest.
TEST(Sft, KeepsTheLastGoodCheckpointWhenItDiverges) {
  TinyRun tiny(poisoned_model());
  tiny.job.config.save_minutes = 1e-9;  // before every step
  tiny.job.pack = false;
  int asked = 0;
  tiny.job.should_stop = [&] {
    if (++asked == 3 * 4 + 1)  // within step 4
      tiny.model->for_each_parameter([](const std::string& name, at::Tensor& tensor) {
        if (name == "model.embed_tokens.weight")
          tensor.detach().fill_(std::numeric_limits<float>::quiet_NaN());
      });
    return false;
  };
  EXPECT_THROW(run_sft(tiny.job), UserError);
  EXPECT_EQ(log_lines(tiny.run.path()).size(), 6u);
  auto checkpoint = latest_checkpoint(tiny.run.path());
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->filename(), "step-000003");
}

TEST(Sft, EndsAtTheTimeLimit) {
  TinyRun tiny(tiny_lora_model());
  tiny.job.config.max_minutes = 1e-9;
  TrainResult result = run_sft(tiny.job);
  EXPECT_EQ(result.ended, "max_minutes");
  EXPECT_EQ(result.state.step, 1);
  EXPECT_TRUE(latest_checkpoint(tiny.run.path()));
}

TEST(Sft, SavesByTheClock) {
  TinyRun tiny(tiny_lora_model());
  tiny.job.config.save_minutes = 1e-9;
  int asked = 0;
  std::filesystem::path seen;
  tiny.job.should_stop = [&] {
    if (++asked == 12) seen = latest_checkpoint(tiny.run.path()).value_or("");
    return false;
  };
  run_sft(tiny.job);
  EXPECT_FALSE(seen.empty());
}

TEST(Sft, PassesOverStepsWithoutLabels) {
  TinyRun tiny(tiny_lora_model(), 4);
  testing::untrain(tiny.train);
  auto before = tiny_lora_model();
  TrainResult result = run_sft(tiny.job);
  EXPECT_EQ(result.last_loss, 0.0);
  EXPECT_EQ(largest_difference(*tiny.model, *before), 0.0);
}

}  // namespace
}  // namespace slmtune::train
