// How well training uses a machine, for every line of the log: what its tokens took of what the
// machine's large matrix products would have done in the same time.
//
//   UtilisationMeter meter(sizes, trained, {.setting = setting, .peak = rates.peak});
//   work.add(batch.starts, batch.trained);            // of every micro-batch
//   Utilisation step = meter.of(work, seconds);       // step.mfu, step.of_ceiling
#pragma once
#include <cstdint>
#include <span>

#include "train/memory_plan.h"
#include "train/model_sizes.h"

namespace slmtune::train {

// Micro-batches that went forward and backward.
struct TokensDone {
  int64_t tokens = 0, label_tokens = 0;
  double squares = 0;  // Σ of the squared lengths of rows: attention goes by them

  // `starts`: of the rows, one more than there are.
  void add(std::span<const int64_t> starts, int64_t labels);
  TokensDone& operator+=(const TokensDone& more);
};

struct Utilisation {
  double mfu = 0;         // share of the peak, by what the model asks for (MFU)
  double of_ceiling = 0;  // share of the peak, recomputation counted as work too (HFU)
};

class UtilisationMeter {
 public:
  struct Work {
    PlanSetting setting = {};
    double other_passes = 0;  // forward passes beside it, per token (WorkShape)
    double peak = 0;          // operations per second of large products
  };
  UtilisationMeter(ModelSizes sizes, TrainedSizes trained, const Work& work);

  // In `seconds` above 0; without tokens both are 0.
  Utilisation of(const TokensDone& done, double seconds) const;
  double peak() const { return work_.peak; }

 private:
  ModelSizes sizes_;
  TrainedSizes trained_;
  Work work_;
};

}  // namespace slmtune::train
