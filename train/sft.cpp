#include "train/sft.h"

#include <ATen/ATen.h>

#include "train/loss.h"

namespace slmtune::train {
namespace {

class Sft : public Objective {
 public:
  explicit Sft(const TrainJob& job) : job_(job) {}

  BatchLoss loss(Part, const data::MicroBatch& batch) override {
    models::CausalLM& model = *job_.model;
    return {loss_sum(model, to_tensors(batch, model.device), job_.config.loss_chunk),
            batch.trained,
            {}};
  }

 private:
  const TrainJob& job_;
};

}  // namespace

TrainResult run_sft(const TrainJob& job) {
  Sft objective(job);
  return run_loop(job, objective);
}

}  // namespace slmtune::train
