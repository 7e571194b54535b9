// Complete training state: checkpoints/step-000200/ with model.safetensors (what trains),
// optimizer.safetensors and state.json (written last; a folder without it does not count). Made in
// a staging folder and renamed. The random numbers of a step depend only on the recipe's seed and
// the step's number, so no generator state is kept.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "models/causal_lm.h"
#include "train/optimizer.h"

namespace slmtune::train {

struct TrainState {
  int64_t step = 0;       // optimiser steps done
  int64_t rows_seen = 0;  // rows trained on, repetitions counted
  int64_t tokens_seen = 0;
  double seconds = 0.0;  // training time so far
  std::optional<double> first_loss, last_loss;
  std::optional<double> valid_loss, best_valid_loss;
  int64_t valid_step = -1;  // step of the last validation; −1 = none
  int64_t skipped_steps = 0;
  // Hashes of data, base and tokenizer; must match to resume.
  std::map<std::string, std::string> identity;
};

// Keeps the last `keep` checkpoints of the run and removes older ones after the new one is
// published. A newer checkpoint (of a continuation that was given up) goes too. An intact
// checkpoint of this step is left as it is.
void save_checkpoint(const std::filesystem::path& run, models::CausalLM& model,
                     const AdamW& optimizer, const TrainState& state, int keep = 2);

// Newest complete and undamaged checkpoint of a run, or none. Warns of each damaged one it passes
// over.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& run);

// Fills model and optimiser. UserError T010 names an identity field that differs (exit 78); F080 a
// tensor does not fit, F081 damaged.
TrainState load_checkpoint(const std::filesystem::path& checkpoint, models::CausalLM& model,
                           AdamW& optimizer, const std::map<std::string, std::string>& identity);

}  // namespace slmtune::train
