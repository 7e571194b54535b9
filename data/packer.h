// Rows → micro-batches of concatenated rows. A row is never split, and the model keeps neighbours apart by `starts`:
//
//   ids     [ a a a a | b b | c c c ]        starts = {0, 4, 6, 9}
//   labels  [ - a a a | - b | - c c ]        positions restart at 0 with each row
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/example.h"

namespace slmtune::data {

// One forward pass. Sizes: ids = labels = positions = T; starts = rows + 1, from 0 to T.
struct MicroBatch {
  std::vector<int32_t> ids, labels, positions;
  std::vector<int64_t> starts;
  int64_t trained = 0;  // labels that carry loss (first token of each row excluded)
  double fill(int64_t budget) const { return static_cast<double>(ids.size()) / static_cast<double>(budget); }
};

// Groups `rows` (indices into `dataset`) into micro-batches of at most `budget` tokens, first-fit decreasing within the
// given rows; a row longer than the budget gets its own micro-batch. With `pack` false every row is its own micro-batch.
// Deterministic. The first label of each row is set to kNotTrained.
std::vector<MicroBatch> pack(std::span<const Tokens> dataset, std::span<const uint64_t> rows, int64_t budget, bool pack);

// Order of the rows for epoch `epoch`: a permutation from seed and epoch.
std::vector<uint64_t> epoch_order(uint64_t rows, uint64_t seed, int64_t epoch);

}  // namespace slmtune::data
