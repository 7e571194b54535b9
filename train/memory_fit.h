// The micro-batch and the recomputed layers of a run that fit a budget of memory and waste the
// least time: what `auto` stands for in a recipe.
//
//   PlanSetting fit = fit_to(budget, sizes, trained, setting, {.most_tokens = 4096});
#pragma once
#include <cstdint>
#include <optional>

#include "train/memory_plan.h"

namespace slmtune::train {

struct AutoChoice {
  // As the recipe says; absent = auto.
  std::optional<int64_t> micro_batch_tokens = {}, recompute = {}, whole = {};
  int64_t most_tokens = 4096, least_tokens = 1024;
  bool may_offload = false;  // on a GPU, where nothing fits otherwise
};

// On the CPU the fewest changes to `setting`: smaller micro-batches, down to 1,024 tokens, come
// before recomputing, which costs time; then smaller ones still, and whole layers last. On a GPU
// the card is filled up to the budget with the setting of the least step_cost(). Where nothing fits
// the smallest setting is returned. Depends on its arguments alone, not on measured rates: the same
// budget gives the same run.
PlanSetting fit_to(uint64_t budget, const ModelSizes& sizes, const TrainedSizes& trained,
                   PlanSetting setting, const AutoChoice& choice);

// Time of a token on a GPU, in parts of what its arithmetic without recomputation takes: that
// arithmetic, what is computed again, and what every micro-batch pays whatever its size, as weights
// of fewer bits are written out once a pass.
double step_cost(const ModelSizes& sizes, const TrainedSizes& trained, const PlanSetting& setting);

// How often a micro-batch writes out a weight of fewer bits, on average over the layers: once
// forward and once backward, and once more where a whole layer is computed again.
double dequantise_passes(const ModelSizes& sizes, const PlanSetting& setting);

}  // namespace slmtune::train
