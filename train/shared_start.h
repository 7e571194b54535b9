// The same start for processes that train together: weights, moments and place in the run are the
// leader's, who alone reads checkpoints.
#pragma once
#include "collective/collective.h"
#include "models/causal_lm.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

namespace slmtune::train {

// Every rank gets what trains of the leader's `model`, the leader's optimiser where it
// `has_moments` (so said by the leader), and of its state what decides how the run goes on: the
// counts of steps, and the last validation.
void share_start(collective::Collective& ranks, models::CausalLM& model, Optimizer& optimizer,
                 TrainState& state, bool has_moments);

}  // namespace slmtune::train
