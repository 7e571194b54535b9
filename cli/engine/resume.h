// Which run a training goes on with: one that was interrupted, a new one, or a new one with the
// weights of another.
#pragma once
#include <filesystem>
#include <optional>

#include "cli/options.h"
#include "cli/recipe.h"
#include "core/json.h"
#include "train/identity.h"
#include "train/run_folder.h"

namespace slmtune::cli {

struct EarlierRun {
  train::RunFolder folder;
  std::filesystem::path checkpoint;  // undamaged
};

// The run of --resume RUN (its folder, its name or one of its checkpoints), or with --resume auto
// the newest unfinished run that has a checkpoint. Asked before any row is read: N001 no such run,
// T011 a run that is complete (unless its weights start a new one) or has no checkpoint.
std::optional<EarlierRun> earlier_run(const Recipe& recipe, const TrainOptions& options);

struct OpenRun {
  train::RunFolder folder;
  std::optional<std::filesystem::path> resume_from;  // checkpoint of this run
  std::optional<std::filesystem::path> start_from;   // checkpoint of the run that lends its weights
};

// Goes on with `earlier` when its identity is the same, else T010; with --resume-as-new makes a new
// run that starts from its weights, or T012 when they cannot serve under the new settings. Without
// `earlier` a new run.
OpenRun open_run(const Recipe& recipe, const TrainOptions& options,
                 const std::optional<EarlierRun>& earlier, const train::Identity& identity);

// Run, step and changed fields that a run made by --resume-as-new came from; null for others.
OrderedJson resumed_from(const train::RunFolder& run);

}  // namespace slmtune::cli
