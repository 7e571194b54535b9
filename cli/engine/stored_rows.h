// Rows of a recipe with what its store remembers about them: what was tokenised before, and rows of
// earlier snapshots' data. Whoever writes holds the store's lock.
#pragma once
#include <filesystem>

#include "cli/engine/train_inputs.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {

inline constexpr const char* kTokenCacheName = "cache";
inline constexpr const char* kReplayName = "replay";

// load_rows() through the token cache, then the recipe's replay.
TrainRows load_stored_rows(const Recipe& recipe, const ModelInputs& inputs,
                           const store::SnapshotStore& store);

// load_rows() with what the store has tokenised already; writes nothing. For commands that only
// look, without the lock.
TrainRows load_rows_to_look(const Recipe& recipe, const ModelInputs& inputs);

// For a rank that is not the first of those that train together: the rows of load_stored_rows();
// writes nothing, without the lock.
TrainRows load_rows_along(const Recipe& recipe, const ModelInputs& inputs);

// Remembers the rows of the published snapshot `number` for a later replay, if the recipe has one.
void keep_trained_rows(const Recipe& recipe, const ModelInputs& inputs,
                       const store::SnapshotStore& store, const TrainRows& rows, int64_t number);

}  // namespace slmtune::cli
