// The reference model of DPO and KTO: how likely the answers were before any training. The model
// that a run starts from never changes, so this is measured once per row, before step 1, instead of
// in every step; no second model is kept, and full training can be compared to its start too.
//
//   Reference reference;
//   if (!reference.measure(model, rows, plan, 1024, should_stop, ranks)) return;
//   at::Tensor log_ratio = answer_log_probabilities(model, batch, 1024) - reference.of(batch,
//   device);
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "collective/collective.h"
#include "data/rows.h"
#include "models/causal_lm.h"
#include "train/objective.h"
#include "train/run_plan.h"

namespace slmtune::train {

class Reference {
 public:
  // Goes through all rows with the model as it is, dropout off, each rank through its part of them.
  // False when a rank was asked to stop. The values depend on nothing but model, rows, plan and
  // chunk, so a resumed run has the same ones.
  bool measure(models::CausalLM& model, const data::Rows& rows, const RunPlan& plan, int64_t chunk,
               const ShouldStop& should_stop, collective::Collective& ranks);

  // log p of the rows of a batch, [R] in float64.
  at::Tensor of(const data::MicroBatch& batch, at::Device device) const;

 private:
  std::vector<double> log_probabilities_;  // by row
};

}  // namespace slmtune::train
