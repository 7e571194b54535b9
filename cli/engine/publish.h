// What a finished run hands over: a numbered snapshot in the store, then the exports that the
// recipe asks for.
#pragma once
#include <map>
#include <string>

#include "cli/engine/train_run.h"
#include "eval/evaluate.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {

struct RunScores {
  std::optional<eval::Score> valid;  // absent without validation rows
};

// How a snapshot stores weights that were trained in `dtype`.
DType stored_dtype(at::ScalarType dtype);

// Numbers of a run for metrics.json, the manifest and summary.json.
OrderedJson metrics_json(const std::string& objective, const train::TrainResult& result,
                         const RunScores& scores);

// Fills the store's staging folder and publishes it. The caller holds the lock. `run`: name of the
// run's folder.
store::SnapshotInfo publish_snapshot(store::SnapshotStore& store, const Recipe& recipe,
                                     const ModelInputs& inputs, const TrainRows& rows,
                                     TrainedModel& trained, const OrderedJson& metrics,
                                     const std::map<std::string, std::string>& identity,
                                     const std::string& run);

// Exports of the recipe, in order; what was made, for summary and --json.
OrderedJson export_snapshot(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                            TrainedModel& trained, const store::SnapshotInfo& snapshot);

}  // namespace slmtune::cli
