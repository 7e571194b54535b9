#include "train/kto.h"

#include <cmath>

#include "tests/train/tiny_preference.h"

namespace slmtune::train {
namespace {

using testing::expect_same_run;
using testing::log_lines;
using testing::plain_log_probabilities;
using testing::take_gradients;
using testing::tiny_lora_model;
using testing::tiny_votes;
using testing::TinyRun;
using testing::train_with_stops;

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// 200 batches of 1 to 9 rows, among them only good and only bad ones, against the formulas in plain
// numbers, gradients included.
TEST(KtoLosses, EqualTheFormulaAndItsDerivative) {
  SplitMix64 random(12);
  for (int i = 0; i < 200; ++i) {
    const size_t rows = 1 + random.below(9);
    const KtoSettings settings{0.01 + random.uniform(), 0.1 + random.uniform(),
                               0.1 + random.uniform()};
    const double kl = i % 3 == 0 ? 0.0 : 10.0 * random.uniform();
    std::vector<double> ratios(rows);
    std::vector<int64_t> votes(rows);
    for (double& ratio : ratios) ratio = 80.0 * random.uniform() - 40.0;
    for (int64_t& vote : votes)
      vote = i % 5 == 0 ? 1 : i % 5 == 1 ? 0 : static_cast<int64_t>(random.below(2));
    const at::Tensor r = at::tensor(ratios, at::kDouble).requires_grad_(true);
    const at::Tensor losses =
        kto_losses(r, at::tensor(votes, at::kLong).to(at::kBool), kl, settings);
    losses.sum().backward();
    for (size_t row = 0; row < rows; ++row) {
      const auto at_row = static_cast<int64_t>(row);
      const double x = settings.beta * (votes[row] ? ratios[row] - kl : kl - ratios[row]);
      const double weight = votes[row] ? settings.desirable_weight : settings.undesirable_weight;
      const double slope = -weight * settings.beta * sigmoid(x) * sigmoid(-x);
      EXPECT_NEAR(losses[at_row].item<double>(), weight * (1 - sigmoid(x)), 1e-12);
      EXPECT_NEAR(r.grad()[at_row].item<double>(), votes[row] ? slope : -slope, 1e-12);
    }
  }
}

TEST(KtoLosses, StayFiniteFarOut) {
  const at::Tensor ratios = at::tensor({-1e6, 1e6}, at::kDouble).requires_grad_(true);
  const at::Tensor losses = kto_losses(ratios, at::ones({2}, at::kBool), 0.0, {});
  losses.sum().backward();
  EXPECT_EQ(losses[0].item<double>(), 1.0);
  EXPECT_EQ(losses[1].item<double>(), 0.0);
  EXPECT_TRUE(at::isfinite(ratios.grad()).all().item<bool>());
}

TEST(MismatchedRows, HaveTheAnswerOfTheRowBefore) {
  data::Rows rows;
  const int32_t no = data::kNotTrained;
  rows.push_back({{1, 2, 3}, {no, no, 3}, data::RowMark::kGood});
  rows.push_back({{4, 5, 6, 7}, {no, 5, 6, no}, data::RowMark::kBad});
  rows.push_back({{8, 9, 10, 11, 12}, {no, no, no, no, 12}, data::RowMark::kGood});
  const data::Rows mismatched = mismatched_rows(rows);
  ASSERT_EQ(mismatched.size(), 3u);
  EXPECT_EQ(mismatched[0].tokens().ids, (std::vector<int32_t>{1, 2, 12}));
  EXPECT_EQ(mismatched[0].tokens().labels, (std::vector<int32_t>{no, no, 12}));
  EXPECT_EQ(mismatched[1].tokens().ids, (std::vector<int32_t>{4, 3}));
  // Cut to the longest row, which has room for at least one token of any answer.
  EXPECT_EQ(mismatched[2].tokens().ids, (std::vector<int32_t>{8, 9, 10, 11, 5}));
  EXPECT_EQ(mismatched[2].tokens().labels, (std::vector<int32_t>{no, no, no, no, 5}));
}

TEST(Kto, LearnsFromThumbsUpAndDown) {
  TinyRun tiny(tiny_lora_model());
  tiny.train = tiny_votes(12);
  const data::Dataset valid = tiny_votes(12);
  tiny.job.valid = &valid;
  tiny.job.config.epochs = 15;
  const TrainResult result = run_kto(tiny.job);
  EXPECT_NEAR(result.first_loss, 0.5, 1e-6);
  EXPECT_LT(result.state.valid_loss.value(), 0.45);
  EXPECT_GT(result.state.valid_metrics.at("reward_chosen"), 0.0);
  EXPECT_GT(result.state.valid_metrics.at("reward_margin"), 0.5);
  EXPECT_GE(result.state.valid_metrics.at("kl"), 0.0);
}

// Loss, gradient, rewards and kl of the second step, from whole logits of the model after the first
// one and of the model that the run started from.
TEST(Kto, StepEqualsThePlainFormula) {
  const data::Dataset votes = tiny_votes(4);
  TrainConfig config = TinyRun(tiny_lora_model()).job.config;
  config.schedule = "constant";
  config.warmup = config.clip_norm = 0.0;
  config.learning_rate = 2e-2;
  config.beta = 0.6;
  config.desirable_weight = 0.8;
  config.undesirable_weight = 1.7;
  const auto trained = [&](int64_t steps) {
    auto tiny = std::make_unique<TinyRun>(tiny_lora_model(0.0, at::kDouble));
    tiny->train = votes;
    tiny->job.config = config;
    tiny->job.config.max_steps = steps;
    run_kto(tiny->job);
    return tiny;
  };
  auto start = tiny_lora_model(0.0, at::kDouble);
  const auto one = trained(1), two = trained(2);
  const data::Rows mismatched = mismatched_rows(votes.rows);
  const double moved = (plain_log_probabilities(*one->model, mismatched) -
                        plain_log_probabilities(*start, mismatched))
                           .mean()
                           .item<double>();
  const double kl = std::max(0.0, moved);
  const at::Tensor ratios = plain_log_probabilities(*one->model, votes.rows) -
                            plain_log_probabilities(*start, votes.rows).detach();
  const at::Tensor is_good = at::tensor({1, 1, 0, 1}, at::kLong).to(at::kBool);
  const at::Tensor loss = kto_losses(ratios, is_good, kl, {0.6, 0.8, 1.7}).mean();
  loss.backward();
  double squares = 0.0;
  for (const auto& [name, gradient] : take_gradients(*one->model))
    squares += gradient.square().sum().item<double>();
  const OrderedJson line = log_lines(two->run.path()).at(1);
  EXPECT_NEAR(line["loss"].get<double>(), loss.item<double>(), 1e-9);
  EXPECT_NEAR(line["kl"].get<double>(), kl, 1e-9);
  EXPECT_NEAR(line["grad_norm"].get<double>(), std::sqrt(squares), 1e-9);
  EXPECT_NEAR(line["reward_rejected"].get<double>(), 0.6 * ratios[2].item<double>(), 1e-9);
  EXPECT_NEAR(line["reward_chosen"].get<double>(),
              0.6 * (ratios.sum() - ratios[2]).item<double>() / 3, 1e-9);
}

// Also kl is one number per step, whatever its micro-batches are.
TEST(Kto, AccumulationEightTimesOneEqualsOneTimesEight) {
  auto trained = [](int64_t micro_batch_tokens, bool pack) {
    TinyRun tiny(tiny_lora_model());
    tiny.train = tiny_votes(16);
    tiny.job.config.batch_rows = 8;
    tiny.job.config.micro_batch_tokens = micro_batch_tokens;
    tiny.job.pack = pack;
    const TrainResult result = run_kto(tiny.job);
    return std::pair(std::move(tiny.model), result.last_loss);
  };
  auto [whole, loss] = trained(4096, true);
  for (auto [tokens, pack] : {std::pair(16, true), std::pair(40, true), std::pair(4096, false)}) {
    auto [other, other_loss] = trained(tokens, pack);
    EXPECT_NEAR(loss, other_loss, 1e-5 * loss);
    EXPECT_LE(testing::largest_difference(*whole, *other), 5e-5);
  }
}

TEST(Kto, ResumeIsBitEqual) {
  const auto whole = train_with_stops(run_kto, tiny_votes(12), tiny_votes(4, 99), 0);
  for (int stop_every : {29, 40})
    expect_same_run(train_with_stops(run_kto, tiny_votes(12), tiny_votes(4, 99), stop_every),
                    whole);
}

// A step or a validation with votes of one kind has no margin.
TEST(Kto, TakesRowsOfOneKindOnly) {
  for (const data::RowMark mark : {data::RowMark::kGood, data::RowMark::kBad}) {
    TinyRun tiny(tiny_lora_model());
    tiny.train = tiny_votes(4);
    testing::change_rows(tiny.train, [mark](data::Tokens& tokens, size_t) { tokens.mark = mark; });
    tiny.job.config.max_steps = 3;
    run_kto(tiny.job);
    for (const OrderedJson& line : log_lines(tiny.run.path())) {
      EXPECT_FALSE(line.contains("reward_margin"));
      EXPECT_EQ(line.contains("reward_chosen"), mark == data::RowMark::kGood);
      EXPECT_TRUE(line["loss"].is_number());
    }
  }
}

}  // namespace
}  // namespace slmtune::train
