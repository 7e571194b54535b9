// Arithmetic that training takes, and so its time, energy and cost on a machine of known rates.
#pragma once
#include <cstdint>

#include "train/memory_plan.h"
#include "train/model_sizes.h"

namespace slmtune::train {

struct WorkShape {
  double row_tokens = 1;    // mean length of a row: attention goes over it
  double label_share = 1;   // share of the tokens that carry loss: only they meet the head
  int64_t recompute = 0;    // layers of which anything is computed twice
  int64_t whole = 0;        // of them those that keep their input alone
  bool full = false;        // weights get gradients too
  double other_passes = 0;  // forward passes without a backward pass, per token: a reference model
};

// Floating-point operations (a multiplication and an addition are two) per token. Full
// recomputation of a layer runs everything but the head again; the fused path runs only norm and
// input projections again, which `selective` means.
struct FlopsPerToken {
  double forward = 0, backward = 0, selective = 0, full_recompute = 0, reference = 0;
  // Of a run, as its shape says what is computed again.
  double total = 0;
  // What the model asks for, recomputation left out.
  double needed() const { return forward + backward + reference; }
};
FlopsPerToken flops_per_token(const ModelSizes& sizes, const TrainedSizes& trained,
                              const WorkShape& shape);

// What a machine does in a second: published, or measured at the start (train/machine_probe.h).
struct MachineRates {
  double peak = 0;        // operations of large matrix products
  double layers = 0;      // operations of products as large as those of this model's layers
  double copy = 0;        // bytes, read and written both counted
  double dequantise = 0;  // values of weights of fewer bits that are written out; 0: there are none
  // Adapters cost less within the product with such a weight than behind it
  // (models::CausalLM::joins_low_rank).
  bool joins_low_rank = false;
};

// Seconds that a token takes where nothing overlaps and nothing waits.
struct TokenTime {
  double products = 0;    // of matrices and of attention
  double dequantise = 0;  // its share of the writing out of weights
  double passes = 0;      // over activations that are no product: norms, rotation, gate, adapters
  double total() const { return products + dequantise + passes; }
};
TokenTime token_time(const ModelSizes& sizes, const TrainedSizes& trained,
                     const PlanSetting& setting, double flops_each, const MachineRates& rates);

// Tokens per second: as expected, and the ends of the range that it is said to lie in.
struct Speed {
  double expected = 0, slow = 0, fast = 0;
};

// From a share of the machine's peak that whole steps are known, or taken, to reach.
struct ReachedShare {
  double expected = 0, low = 0, high = 0;
};
Speed speed_by_share(double flops_each, double peak, const ReachedShare& share);

// From rates that were measured: the fast end is the sum of its parts, as if no kernel waited for
// another; expected are 1.15 times as long and at the slow end 1.5 times. These factors are
// assumed: no run on a GPU has been compared with them yet.
Speed speed_by_rates(const TokenTime& time);

struct RunCost {
  Speed speed = {};
  double seconds = 0, least_seconds = 0, most_seconds = 0, kilowatt_hours = 0, price = 0;
};
RunCost run_cost(double tokens, const Speed& speed, double watts, double price_per_kwh);

}  // namespace slmtune::train
