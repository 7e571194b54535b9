#include "train/dpo.h"

#include <ATen/ATen.h>

#include "train/answer_log_probabilities.h"
#include "train/reference.h"

namespace slmtune::train {
namespace {

class Dpo : public Objective {
 public:
  explicit Dpo(const TrainJob& job) : job_(job) {}

  bool prepare(const RunPlan& plan, const ShouldStop& should_stop) override {
    return measure(train_, *job_.train, plan, should_stop) &&
           (!job_.valid || measure(valid_, *job_.valid, plan, should_stop));
  }

  BatchLoss loss(Part part, const data::MicroBatch& batch) override {
    models::CausalLM& model = *job_.model;
    const Reference& reference = part == Part::kTrain ? train_ : valid_;
    const at::Tensor rewards = (answer_log_probabilities(model, batch, job_.config.loss_chunk) -
                                reference.of(batch, model.device)) *
                               job_.config.beta;
    // Rows are chosen, rejected, chosen, rejected, …
    const at::Tensor chosen = rewards.slice(0, 0, std::nullopt, 2),
                     rejected = rewards.slice(0, 1, std::nullopt, 2), margins = chosen - rejected;
    const at::Tensor metrics = at::stack(
        {chosen.sum(), rejected.sum(), margins.sum(), (margins > 0).sum().to(at::kDouble)});
    return {dpo_losses(margins, job_.config.label_smoothing).sum(), margins.size(0),
            metrics.detach()};
  }

  int64_t metric_count() const override { return 4; }

  NamedNumbers metrics(const at::Tensor& sums, int64_t count) const override {
    const at::Tensor means = sums.to(at::kCPU) / static_cast<double>(count);
    const double* mean = means.const_data_ptr<double>();
    return {{"reward_chosen", mean[0]},
            {"reward_rejected", mean[1]},
            {"reward_margin", mean[2]},
            {"reward_accuracy", mean[3]}};
  }

 private:
  bool measure(Reference& reference, const data::Dataset& data, const RunPlan& plan,
               const ShouldStop& should_stop) const {
    return reference.measure(*job_.model, data.rows, plan, job_.config.loss_chunk, should_stop,
                             *job_.ranks);
  }

  const TrainJob& job_;
  Reference train_, valid_;
};

}  // namespace

at::Tensor dpo_losses(const at::Tensor& margins, double label_smoothing) {
  return -(1.0 - label_smoothing) * at::log_sigmoid(margins) -
         label_smoothing * at::log_sigmoid(-margins);
}

TrainResult run_dpo(const TrainJob& job) {
  Dpo objective(job);
  return run_loop(job, objective);
}

}  // namespace slmtune::train
