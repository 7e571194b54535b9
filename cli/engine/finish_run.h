// The end of a run: its summary, and what is left to do for one that was stopped between publishing
// its snapshot and being complete.
#pragma once
#include "cli/engine/publish.h"
#include "cli/engine/resume.h"
#include "cli/engine/train_run.h"
#include "core/json.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {

// summary.json but for the snapshot and the exports, which are not there yet.
OrderedJson summary_json(const Recipe& recipe, const OpenRun& run, const TrainRows& rows,
                         const TrainedModel& trained, const train::TrainResult& result,
                         const OrderedJson& metrics);

// One line for people.
void say_summary(const OrderedJson& summary);

// Adds snapshot and exports and writes summary.json; returns what --json prints.
OrderedJson complete_run(train::RunFolder& run, OrderedJson summary,
                         const store::SnapshotInfo& snapshot, const OrderedJson& exports);

// Makes the recipe's exports that are missing for `snapshot`, which `run` published before it was
// stopped, and completes the run. Nothing is trained or published again. Without `must_export` an
// export that fails is only warned of: other work waits.
OrderedJson finish_published(const Recipe& recipe, train::RunFolder& run,
                             const store::SnapshotInfo& snapshot, bool must_export);

}  // namespace slmtune::cli
