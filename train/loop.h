// The training loop: the same for every objective (train/objective.h), for LoRA and full training.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "collective/collective.h"
#include "data/loader.h"
#include "kernels/device_meter.h"
#include "models/causal_lm.h"
#include "train/checkpoint.h"
#include "train/objective.h"
#include "train/rehearsal.h"
#include "train/run_folder.h"
#include "train/run_plan.h"
#include "train/train_config.h"
#include "train/utilisation.h"

namespace slmtune::train {

struct TrainJob {
  // The processes that train together. All of them are given the same job; only the leader has a
  // run folder, and checkpoints to go on from.
  collective::Collective* ranks = &collective::alone();
  models::CausalLM* model = nullptr;     // adapters attached, or parameters set to require grad
  const data::Dataset* train = nullptr;  // at least one row
  const data::Dataset* valid = nullptr;  // may be null
  TrainConfig config;
  EvalConfig eval;
  bool pack = true;
  RunFolder* run = nullptr;  // of the leader
  Identity identity;
  std::optional<std::filesystem::path> resume_from;  // checkpoint of this run and this identity
  // Checkpoint of another run: its weights and moments only; steps, rows and schedule start anew.
  std::optional<std::filesystem::path> start_from;
  // Asked between micro-batches; true = save a checkpoint and stop (signals). A step that is
  // stopped in its middle is discarded, so that it is done as a whole when the run goes on.
  ShouldStop should_stop;
  // Told what the largest micro-batch took, which is tried before step 1; may throw. Without it
  // nothing is tried.
  std::function<void(const Rehearsal&)> on_rehearsal;
  // Whether a step's numbers are read, counted and logged only when the next step has been queued;
  // absent: on a GPU. The numbers are the same.
  std::optional<bool> reads_late;
  // Whether micro-batches go through RecordedSteps; absent: as records_steps() says.
  std::optional<bool> records_steps;
  // Judges every step's speed for its log line; null: nothing is known of the machine.
  const UtilisationMeter* meter = nullptr;
};

struct TrainResult {
  TrainState state;
  int64_t total_steps = 0;
  double first_loss = 0, last_loss = 0;
  std::optional<double> valid_loss;  // at the end
  double tokens_per_second = 0;      // of this part of the run, validation and checkpoints left out
  int64_t saves = 0;                 // checkpoints of this part of the run
  double save_seconds = 0;           // what they took
  std::optional<Rehearsal> rehearsal;
  std::optional<uint64_t> peak_memory;  // training_peak() up to the last step
  kernels::DeviceFigures device;           // of a GPU, at the end
  std::optional<Utilisation> utilisation;  // over the time of `tokens_per_second`
  std::string ended;                 // "done", "max_minutes", "stopped"
};

// Trains. Writes log lines, progress, checkpoints (every save_minutes, after a validation that is
// the best so far, and at the end). T001 after three steps in a row with a loss or gradient that is
// not finite, or when no step could be used (exit 3; the last checkpoint stays). A GPU whose memory
// is full gets smaller micro-batches (halving.h), G013 when that does not help.
TrainResult run_loop(const TrainJob& job, Objective& objective);

}  // namespace slmtune::train
