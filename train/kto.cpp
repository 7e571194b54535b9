#include "train/kto.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "kernels/send.h"
#include "lora/attach.h"
#include "train/answer_log_probabilities.h"
#include "train/reference.h"

namespace slmtune::train {
namespace {

// Where the answer begins: the first token that trains.
size_t answer_start(const data::Row& row) {
  size_t start = 1;
  while (start < row.size() && !row.is_trained(start)) ++start;
  return start;
}

at::Tensor votes(const data::Rows& rows, const data::MicroBatch& batch, at::Device device) {
  std::vector<int64_t> is_good;
  for (uint64_t row : batch.rows) is_good.push_back(rows[row].mark() == data::RowMark::kGood);
  return kernels::sent_to(at::tensor(is_good, at::kLong).to(at::kBool), device);
}

class Kto : public Objective {
 public:
  explicit Kto(const TrainJob& job)
      : job_(job),
        settings_{job.config.beta, job.config.desirable_weight, job.config.undesirable_weight} {}

  bool prepare(const RunPlan& plan, const ShouldStop& should_stop) override {
    plan_ = &plan;
    return measure(train_, *job_.train, should_stop) &&
           (!job_.valid || measure(valid_, *job_.valid, should_stop));
  }

  // Measures how far the model has moved.
  bool begin(Part part, std::span<const uint64_t> rows, const ShouldStop& should_stop) override {
    const at::NoGradGuard no_gradient;
    const Side& side = side_of(part);
    lora::set_training(*job_.model, false);
    at::Tensor sum = at::zeros({}, at::device(job_.model->device).dtype(at::kDouble));
    bool stopped = false;
    for (const data::MicroBatch& batch :
         data::pack(side.mismatched, rows, plan_->micro_batch_tokens, plan_->pack, plan_->deal)) {
      if ((stopped = should_stop())) break;
      sum.add_(log_ratios(batch, side.mismatched_reference).sum());
    }
    std::array<double, 2> of_ranks = {sum.item<double>(), stopped ? 1.0 : 0.0};
    job_.ranks->sum(of_ranks);
    kl_ = std::max(0.0, of_ranks[0] / static_cast<double>(rows.size()));
    kl_is_told_ = false;
    lora::set_training(*job_.model, part == Part::kTrain);
    return of_ranks[1] == 0.0;
  }

  BatchLoss loss(Part part, const data::MicroBatch& batch) override {
    const Side& side = side_of(part);
    const at::Tensor ratios = log_ratios(batch, side.reference);
    const at::Tensor is_good = votes(*side.rows, batch, job_.model->device);
    const at::Tensor good = is_good.to(at::kDouble), rewards = ratios.detach() * settings_.beta;
    // The log may ask only when the next step has its own distance: it goes with the sums, once.
    const double tells = std::exchange(kl_is_told_, true) ? 0.0 : 1.0;
    const at::Tensor metrics =
        at::stack({(rewards * good).sum(), good.sum(), rewards.sum(),
                   at::full({}, tells * kl_, good.options()), at::full({}, tells, good.options())});
    return {kto_losses(ratios, is_good, kl_, settings_).sum(), ratios.size(0), metrics};
  }

  int64_t metric_count() const override { return 5; }

  NamedNumbers metrics(const at::Tensor& sums, int64_t count) const override {
    const at::Tensor values = sums.to(at::kCPU);
    const double* sum = values.const_data_ptr<double>();
    const double good = sum[1], bad = static_cast<double>(count) - good;
    NamedNumbers numbers;
    if (good > 0) numbers.emplace_back("reward_chosen", sum[0] / good);
    if (bad > 0) numbers.emplace_back("reward_rejected", (sum[2] - sum[0]) / bad);
    if (good > 0 && bad > 0)
      numbers.emplace_back("reward_margin", numbers[0].second - numbers[1].second);
    if (sum[4] > 0) numbers.emplace_back("kl", sum[3] / sum[4]);  // each rank tells it
    return numbers;
  }

 private:
  // The training or the validation rows.
  struct Side {
    const data::Rows* rows = nullptr;
    data::Rows mismatched;
    Reference reference, mismatched_reference;
  };

  const Side& side_of(Part part) const { return part == Part::kTrain ? train_ : valid_; }

  bool measure(Side& side, const data::Dataset& data, const ShouldStop& should_stop) const {
    side.rows = &data.rows;
    side.mismatched = mismatched_rows(data.rows);
    const int64_t chunk = job_.config.loss_chunk;
    return side.reference.measure(*job_.model, data.rows, *plan_, chunk, should_stop,
                                  *job_.ranks) &&
           side.mismatched_reference.measure(*job_.model, side.mismatched, *plan_, chunk,
                                             should_stop, *job_.ranks);
  }

  at::Tensor log_ratios(const data::MicroBatch& batch, const Reference& reference) const {
    return answer_log_probabilities(*job_.model, batch, job_.config.loss_chunk) -
           reference.of(batch, job_.model->device);
  }

  const TrainJob& job_;
  const KtoSettings settings_;
  const RunPlan* plan_ = nullptr;  // of the run, which may change it
  Side train_, valid_;
  double kl_ = 0.0;  // of the step or validation that is going on
  bool kl_is_told_ = false;
};

}  // namespace

at::Tensor kto_losses(const at::Tensor& log_ratios, const at::Tensor& is_good, double kl,
                      const KtoSettings& settings) {
  const at::Tensor above = (log_ratios - kl) * settings.beta;
  // 1 − σ(x) = σ(−x)
  return at::where(is_good, at::sigmoid(-above) * settings.desirable_weight,
                   at::sigmoid(above) * settings.undesirable_weight);
}

data::Rows mismatched_rows(const data::Rows& rows) {
  int64_t longest = 0;
  for (size_t i = 0; i < rows.size(); ++i) longest = std::max(longest, rows.length(i));
  data::Rows mismatched;
  for (size_t i = 0; i < rows.size(); ++i) {
    data::Tokens tokens = rows[i].tokens();
    const data::Tokens other = rows[(i + rows.size() - 1) % rows.size()].tokens();
    const auto start = static_cast<std::ptrdiff_t>(answer_start(rows[i])),
               from = static_cast<std::ptrdiff_t>(
                   answer_start(rows[(i + rows.size() - 1) % rows.size()]));
    const auto join = [&](std::vector<int32_t>& to, const std::vector<int32_t>& answer) {
      to.resize(static_cast<size_t>(start));
      to.insert(to.end(), answer.begin() + from, answer.end());
      if (std::ssize(to) > longest) to.resize(static_cast<size_t>(longest));
    };
    join(tokens.ids, other.ids);
    join(tokens.labels, other.labels);
    mismatched.push_back(tokens);
  }
  return mismatched;
}

TrainResult run_kto(const TrainJob& job) {
  Kto objective(job);
  return run_loop(job, objective);
}

}  // namespace slmtune::train
