#include "train/sft.h"

#include <ATen/ATen.h>

#include <optional>

#include "lora/attach.h"
#include "train/loss.h"
#include "train/recorded_steps.h"

namespace slmtune::train {
namespace {

GraphFacts facts_of(const TrainJob& job) {
  models::CausalLM& model = *job.model;
  // An adapter with dropout is a plain one only when it does not train.
  lora::set_training(model, true);
  bool all_fused = model.use_fused;
  model.for_each_linear([&](const std::string&, models::Linear& linear) {
    if (linear.adapter) all_fused = all_fused && linear.adapter->low_rank().has_value();
  });
  model.for_each_parameter([&](const std::string&, at::Tensor& tensor) {
    all_fused = all_fused && !tensor.requires_grad();
  });
  const std::string& turning = model.config().rope.type;
  return {.on_gpu = model.device.is_cuda() && job.config.graphs == "auto",
          .parameters = models::count_parameters(model).total,
          .draws_random = job.config.neftune_alpha > 0.0,
          .all_fused = all_fused,
          .offloads = model.offload_inputs,
          .turns_by_length = turning == "longrope" || turning == "dynamic"};
}

class Sft : public Objective {
 public:
  explicit Sft(const TrainJob& job) : job_(job) {
    if (job.records_steps.value_or(records_steps(facts_of(job))))
      recorded_.emplace(*job.model, job.config.loss_chunk);
  }

  BatchLoss loss(Part part, const data::MicroBatch& batch) override {
    models::CausalLM& model = *job_.model;
    if (recorded_ && part == Part::kTrain) return {recorded_->loss_sum(batch), batch.trained, {}};
    return {loss_sum(model, to_tensors(batch, model.device), job_.config.loss_chunk),
            batch.trained,
            {}};
  }

 private:
  const TrainJob& job_;
  std::optional<RecordedSteps> recorded_;
};

}  // namespace

TrainResult run_sft(const TrainJob& job) {
  Sft objective(job);
  return run_loop(job, objective);
}

}  // namespace slmtune::train
