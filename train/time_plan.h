// Arithmetic that training takes, and so its time, energy and cost on a machine of known speed.
#pragma once
#include <cstdint>

#include "train/memory_plan.h"
#include "train/model_sizes.h"

namespace slmtune::train {

struct WorkShape {
  double row_tokens = 1;    // mean length of a row: attention goes over it
  double label_share = 1;   // share of the tokens that carry loss: only they meet the head
  int64_t recompute = 0;    // layers that are computed twice
  bool full = false;        // weights get gradients too
  double other_passes = 0;  // forward passes without a backward pass, per token: a reference model
};

// Floating-point operations (a multiplication and an addition are two) per token. Full
// recomputation of a layer runs everything but the head again; the fused path runs only norm and
// input projections again, which `selective` means.
struct FlopsPerToken {
  double forward = 0, backward = 0, selective = 0, full_recompute = 0, reference = 0;
  // Of a run: `recompute` of all layers are computed again.
  double total = 0;
};
FlopsPerToken flops_per_token(const ModelSizes& sizes, const TrainedSizes& trained,
                              const WorkShape& shape);

struct RunCost {
  double seconds = 0, tokens_per_second = 0, kilowatt_hours = 0, price = 0;
};
// `flops_per_second`: what the machine reaches on this work, not its peak.
RunCost run_cost(double tokens, double flops_each, double flops_per_second, double watts,
                 double price_per_kwh);

}  // namespace slmtune::train
