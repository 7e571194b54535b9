// Complete training state: checkpoints/step-000200/ with model.safetensors (what trains),
// optimizer.safetensors (moments by tensor name) and state.json (written last; a folder without it
// does not count). Made in a staging folder, read back and renamed.
//
// Nothing else is needed to go on exactly: the rows of a step, its learning rate and its random
// numbers depend only on the recipe's seed and the step's number, so that no generator state, data
// position or schedule position exists beside `step`; a step that is cut short is done again as a
// whole, so that no partly accumulated gradient exists either.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/causal_lm.h"
#include "train/halving.h"
#include "train/identity.h"
#include "train/optimizer.h"

namespace slmtune::train {

struct TrainState {
  int64_t step = 0;       // optimiser steps done
  int64_t rows_seen = 0;  // rows trained on, repetitions counted
  int64_t tokens_seen = 0;
  double seconds = 0.0;  // training time so far
  std::optional<double> first_loss, last_loss;
  std::optional<double> valid_loss, best_valid_loss;
  std::map<std::string, double> metrics, valid_metrics;  // of the objective, beside these losses
  int64_t valid_step = -1, best_valid_step = -1;         // steps of these validations; −1 = none
  int64_t skipped_steps = 0, bad_steps = 0;  // not finite: of all steps; in a row up to now
  std::vector<Halving> halvings;             // of micro-batches that did not fit a GPU
  std::optional<double> gpu_kwh;             // energy so far, where the driver tells it
  Identity identity;
};

inline constexpr int kKeptCheckpoints = 2;

// Publishes a checkpoint once what was written was read back and found to be what the model and
// optimiser hold (W001 if not). Only then are older ones removed: the last `keep` stay, and that of
// the best validation. A newer checkpoint (of a continuation that was given up) goes too. An intact
// checkpoint of this step is left as it is.
void save_checkpoint(const std::filesystem::path& run, models::CausalLM& model,
                     const Optimizer& optimizer, const TrainState& state,
                     int keep = kKeptCheckpoints);

// Newest complete and undamaged checkpoint of a run, or none. Warns of each damaged one it passes
// over.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& run);

// state.json alone, for comparing before anything is loaded. N001, F081.
TrainState read_state(const std::filesystem::path& checkpoint);

// Fills model and optimiser. T010 with every field of `identity` that differs (exit 78); F080 a
// tensor does not fit, F081 damaged.
TrainState load_checkpoint(const std::filesystem::path& checkpoint, models::CausalLM& model,
                           Optimizer& optimizer, const Identity& identity);

// Fills model and optimiser for a new run under other settings. F080, F081.
void load_weights(const std::filesystem::path& checkpoint, models::CausalLM& model,
                  Optimizer& optimizer);

}  // namespace slmtune::train
