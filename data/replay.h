// Rows that the snapshots of a store were trained on, kept as tokens in `<store>/replay/`, so that
// a later training can mix some of them in when they are gone from the user's files (recipe:
// data.replay). Nothing is kept for a recipe without data.replay.
//
// One file (data/row_segment.h) per text_settings(): rows of another tokenizer or chat template
// cannot be used. A row stands in it once, with the number of the newest snapshot whose own data it
// was; it leaves when that snapshot is removed from the store, or when it is forgotten.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/loader.h"

namespace slmtune::data {

struct ReplayStore {
  std::filesystem::path folder;    // <store>/replay
  std::string settings;            // text_settings()
  int32_t vocabulary = 0;          // ids are below it
  std::vector<int64_t> snapshots;  // that are in the store, ascending
};

// Adds round(fraction · rows of `train`) kept rows to `train`, or as many as there are: none that
// stands in `train` or `valid` (may be null), none longer than max_tokens. Which ones depends on
// the kept rows and the seed alone. Fills counts.replayed; says what was found.
void add_replay(Dataset& train, const Dataset* valid, const ReplayStore& store,
                const DataConfig& config, uint64_t seed);

// Remembers that snapshot `number` was trained on the rows of `train`, those from a replay left
// out; drops rows of snapshots that are gone. The same call again changes nothing. W001 to W004.
void keep_rows(const Dataset& train, const ReplayStore& store, int64_t number);

// Deletes every kept row that has one of these keys (its own or that of a field), whatever its
// settings; a file that is damaged goes as a whole. Returns how many rows were deleted. W001 to
// W004.
int64_t forget_kept_rows(const std::filesystem::path& folder, std::span<const RowDigest> keys);

}  // namespace slmtune::data
