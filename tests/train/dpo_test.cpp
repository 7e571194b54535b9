#include "train/dpo.h"

#include <cmath>
#include <numeric>

#include "tests/train/tiny_preference.h"
#include "train/answer_log_probabilities.h"
#include "train/reference.h"

namespace slmtune::train {
namespace {

using testing::expect_close;
using testing::expect_same_run;
using testing::log_lines;
using testing::plain_log_probabilities;
using testing::take_gradients;
using testing::tiny_lora_model;
using testing::tiny_model;
using testing::tiny_pairs;
using testing::TinyRun;
using testing::train_with_stops;

std::vector<data::MicroBatch> all_batches(const data::Dataset& dataset, int64_t budget, bool pack) {
  std::vector<uint64_t> rows(dataset.rows.size());
  std::iota(rows.begin(), rows.end(), uint64_t{0});
  return data::pack(dataset.rows, rows, budget, pack);
}

std::unique_ptr<models::CausalLM> full_model() {
  auto model = tiny_model(at::kDouble);
  testing::require_all_gradients(*model);
  return model;
}

// Any weights on the rows: the gradient of each row comes through, packed or not.
TEST(AnswerLogProbabilities, EqualWholeLogitsInValueAndGradient) {
  const data::Dataset pairs = tiny_pairs(5);
  const at::Tensor weights = at::linspace(-1.0, 1.5, 10, at::kDouble);
  for (const bool is_full : {false, true}) {
    auto model = is_full ? full_model() : tiny_lora_model(0.0, at::kDouble);
    const at::Tensor plain = plain_log_probabilities(*model, pairs.rows);
    (plain * weights).sum().backward();
    const testing::Gradients expected = take_gradients(*model);
    for (const bool pack : {true, false}) {
      for (const data::MicroBatch& batch : all_batches(pairs, 64, pack)) {
        const at::Tensor values = answer_log_probabilities(*model, batch, 3);
        ASSERT_EQ(values.size(0), static_cast<int64_t>(batch.rows.size()));
        at::Tensor sum = at::zeros({}, at::kDouble);
        for (int64_t i = 0; i < values.size(0); ++i) {
          const auto row = static_cast<int64_t>(batch.rows[static_cast<size_t>(i)]);
          EXPECT_NEAR(values[i].item<double>(), plain[row].item<double>(), 1e-10);
          sum = sum + values[i] * weights[row];
        }
        sum.backward();
      }
      expect_close(take_gradients(*model), expected, 1e-9);
    }
  }
}

TEST(AnswerLogProbabilities, OfRowsWithoutLabelsAreZero) {
  auto model = tiny_lora_model();
  data::Dataset pairs = tiny_pairs(1);
  testing::untrain(pairs);
  const auto batches = all_batches(pairs, 64, true);
  EXPECT_TRUE(
      at::equal(answer_log_probabilities(*model, batches.at(0), 8), at::zeros({2}, at::kDouble)));
}

// 200 cases against the formulas in plain numbers, gradients included.
TEST(DpoLosses, EqualTheFormulaAndItsDerivative) {
  SplitMix64 random(11);
  for (int i = 0; i < 200; ++i) {
    const double margin = 60.0 * random.uniform() - 30.0;
    const double smoothing = i % 4 == 0 ? 0.0 : 0.49 * random.uniform();
    const at::Tensor m = at::tensor({margin}, at::kDouble).requires_grad_(true);
    const at::Tensor loss = dpo_losses(m, smoothing);
    loss.sum().backward();
    const auto minus_log_sigmoid = [](double x) { return std::log1p(std::exp(-x)); };
    const double expected =
        (1 - smoothing) * minus_log_sigmoid(margin) + smoothing * minus_log_sigmoid(-margin);
    const double slope = 1 / (1 + std::exp(-margin)) - (1 - smoothing);
    EXPECT_NEAR(loss.item<double>(), expected, 1e-12 * (1 + expected));
    EXPECT_NEAR(m.grad().item<double>(), slope, 1e-12);
  }
}

TEST(DpoLosses, StayFiniteFarOut) {
  const at::Tensor margins = at::tensor({-1e4, 1e4}, at::kDouble).requires_grad_(true);
  const at::Tensor losses = dpo_losses(margins, 0.1);
  losses.sum().backward();
  EXPECT_NEAR(losses[0].item<double>(), 9e3, 1e-6);
  EXPECT_NEAR(losses[1].item<double>(), 1e3, 1e-6);
  EXPECT_TRUE(at::isfinite(margins.grad()).all().item<bool>());
}

// The model that a run starts from is its own reference, adapter included.
TEST(Dpo, BeginsWithTheLossOfACoinToss) {
  TinyRun tiny(tiny_lora_model());
  tiny.train = tiny_pairs(8);
  tiny.job.config.max_steps = 1;
  const TrainResult result = run_dpo(tiny.job);
  EXPECT_NEAR(result.first_loss, std::log(2.0), 1e-6);
  const OrderedJson line = log_lines(tiny.run.path()).at(0);
  EXPECT_NEAR(line["reward_chosen"].get<double>(), 0.0, 1e-5);
  EXPECT_NEAR(line["reward_margin"].get<double>(), 0.0, 1e-5);
}

TEST(Dpo, LearnsToPreferTheBetterAnswers) {
  for (const bool is_full : {false, true}) {
    TinyRun tiny(is_full ? tiny_model() : tiny_lora_model());
    if (is_full) testing::require_all_gradients(*tiny.model);
    tiny.train = tiny_pairs(12);
    const data::Dataset valid = tiny_pairs(12);
    tiny.job.valid = &valid;
    tiny.job.config.epochs = 12;
    tiny.job.config.label_smoothing = 0.05;
    const TrainResult result = run_dpo(tiny.job);
    EXPECT_EQ(result.total_steps, 36);  // 3 an epoch: a pair is one row of batch_rows
    EXPECT_LT(result.last_loss, 0.5);
    EXPECT_EQ(result.state.valid_metrics.at("reward_accuracy"), 1.0);
    EXPECT_GT(result.state.valid_metrics.at("reward_margin"), 0.5);
    EXPECT_GT(result.state.metrics.at("reward_chosen"), result.state.metrics.at("reward_rejected"));
  }
}

// The loss, its gradient and the rewards of the second step, from whole logits of the model after
// the first one and of the model that the run started from.
TEST(Dpo, StepEqualsThePlainFormula) {
  const data::Dataset pairs = tiny_pairs(4);
  const auto trained = [&](int64_t steps) {
    auto tiny = std::make_unique<TinyRun>(tiny_lora_model(0.0, at::kDouble));
    tiny->train = pairs;
    tiny->job.config.schedule = "constant";
    tiny->job.config.warmup = tiny->job.config.clip_norm = 0.0;
    tiny->job.config.beta = 0.7;
    tiny->job.config.label_smoothing = 0.2;
    tiny->job.config.max_steps = steps;
    run_dpo(tiny->job);
    return tiny;
  };
  auto start = tiny_lora_model(0.0, at::kDouble);
  const auto one = trained(1), two = trained(2);
  const at::Tensor ratios = plain_log_probabilities(*one->model, pairs.rows) -
                            plain_log_probabilities(*start, pairs.rows).detach();
  const at::Tensor chosen = ratios.slice(0, 0, 8, 2), rejected = ratios.slice(0, 1, 8, 2);
  const at::Tensor margins = 0.7 * (chosen - rejected);
  const at::Tensor loss = dpo_losses(margins, 0.2).mean();
  loss.backward();
  double squares = 0.0;
  for (const auto& [name, gradient] : take_gradients(*one->model))
    squares += gradient.square().sum().item<double>();
  const OrderedJson line = log_lines(two->run.path()).at(1);
  EXPECT_NEAR(line["loss"].get<double>(), loss.item<double>(), 1e-9);
  EXPECT_NEAR(line["grad_norm"].get<double>(), std::sqrt(squares), 1e-9);
  EXPECT_NEAR(line["reward_chosen"].get<double>(), 0.7 * chosen.mean().item<double>(), 1e-9);
  EXPECT_NEAR(line["reward_margin"].get<double>(), margins.mean().item<double>(), 1e-9);
  EXPECT_EQ(line["reward_accuracy"].get<double>(),
            (margins > 0).to(at::kDouble).mean().item<double>());
}

TEST(Dpo, AccumulationEightTimesOneEqualsOneTimesEight) {
  auto trained = [](int64_t micro_batch_tokens, bool pack) {
    TinyRun tiny(tiny_lora_model());
    tiny.train = tiny_pairs(16);
    tiny.job.config.batch_rows = 8;
    tiny.job.config.micro_batch_tokens = micro_batch_tokens;
    tiny.job.pack = pack;
    const TrainResult result = run_dpo(tiny.job);
    return std::pair(std::move(tiny.model), result.last_loss);
  };
  auto [whole, loss] = trained(4096, true);
  for (auto [tokens, pack] : {std::pair(16, true), std::pair(60, true), std::pair(4096, false)}) {
    auto [other, other_loss] = trained(tokens, pack);
    EXPECT_NEAR(loss, other_loss, 1e-5 * loss);
    EXPECT_LE(testing::largest_difference(*whole, *other), 5e-5);
  }
}

// Also where the stop falls into the measuring of the reference.
TEST(Dpo, ResumeIsBitEqual) {
  const auto whole = train_with_stops(run_dpo, tiny_pairs(10), tiny_pairs(3, 99), 0);
  for (int stop_every : {23, 31})
    expect_same_run(train_with_stops(run_dpo, tiny_pairs(10), tiny_pairs(3, 99), stop_every),
                    whole);
}

TEST(Dpo, StopsWhileItMeasuresTheReference) {
  TinyRun tiny(tiny_lora_model());
  tiny.train = tiny_pairs(10);
  int asked = 0;
  tiny.job.should_stop = [&asked] { return ++asked == 2; };
  const TrainResult result = run_dpo(tiny.job);
  EXPECT_EQ(result.ended, "stopped");
  EXPECT_EQ(result.state.step, 0);
  EXPECT_FALSE(latest_checkpoint(tiny.run.path()));
}

TEST(Dpo, KeepsBothAnswersOfAPairInOneStep) {
  const data::Dataset pairs = tiny_pairs(7);
  TrainConfig config;
  config.batch_rows = 3;
  const RunPlan plan = make_plan(pairs, config, {}, true, true);
  EXPECT_EQ(plan.steps_per_epoch, 3);
  StepBatches batches(pairs, plan, config);
  std::vector<uint64_t> seen;
  for (int64_t step = 0; step < 3; ++step)
    for (const data::MicroBatch& batch : batches.of(step)) {
      ASSERT_EQ(batch.rows.size() % 2, 0u);
      for (size_t i = 0; i < batch.rows.size(); i += 2) {
        EXPECT_EQ(batch.rows[i] % 2, 0u);
        EXPECT_EQ(batch.rows[i + 1], batch.rows[i] + 1);
        seen.push_back(batch.rows[i] / 2);
      }
    }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace slmtune::train
