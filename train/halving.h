// When a GPU's memory is full in the middle of a run: micro-batches of half the tokens, so that a
// step has twice as many of them. Its rows, and with them what is learnt, stay the same.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/rows.h"

namespace slmtune::train {

inline constexpr size_t kMaxHalvings = 3;  // of a run, over all its parts

// A limit of micro_batch_tokens that was given up.
struct Halving {
  int64_t step = 0;  // the first that was done with the new one
  int64_t from = 0, to = 0;
};

// A micro-batch as far as it can be made smaller.
struct Tried {
  int64_t tokens = 0;  // 0 = not known
  size_t lines = 0;    // of the data: rows, or pairs of rows; they cannot be cut
};

Tried tried_rows(const data::Rows& dataset, std::span<const uint64_t> rows);

// The next limit after `limit`, or 0 when no smaller micro-batch exists: half of what was tried.
int64_t halved(int64_t limit, const Tried& tried);

// For the manifest, summary.json and checkpoints: [{"step": 3, "from": 4096, "to": 2048}].
OrderedJson halvings_json(const std::vector<Halving>& halvings);
// F003, F004, F081; `where` names the file.
std::vector<Halving> read_halvings(const Json& json, const std::string& where);

}  // namespace slmtune::train
