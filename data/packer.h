// Rows → micro-batches of concatenated rows. A row is never split, and the model keeps neighbours
// apart by `starts`:
//
//   ids     [ a a a a | b b | c c c ]        starts = {0, 4, 6, 9}
//   labels  [ - a a a | - b | - c c ]        positions restart at 0 with each row
//
// Which rows make a step is the seeded order alone; packing never changes it, so that packed and
// unpacked training are the same. The rows of a step go into as few micro-batches as the budget
// allows, and these are made equally long: nothing is padded, so the budget is a limit and not a
// size that would have to be filled, and a step costs least, in time and in memory, when all its
// micro-batches are as long as the longest one. That is what `fill` measures.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/rows.h"

namespace slmtune::data {

// Changes whenever pack() or epoch_order() give another result for the same rows: a run that was
// started with another version does not go on.
inline constexpr int kPackingVersion = 2;

// One forward pass. Sizes: ids = labels = positions = T; starts = rows + 1, from 0 to T.
struct MicroBatch {
  std::vector<int32_t> ids, labels, positions;
  std::vector<int64_t> starts;
  std::vector<uint64_t> rows;  // of the dataset, in the order of `starts`
  int64_t trained = 0;         // labels that carry loss (first token of each row excluded)
  int64_t number = 0;          // among those that were packed together, over all ranks
};

// Of several processes that share the rows of a step (collective/), the one that packs.
struct Deal {
  int rank = 0, ranks = 1;
};

// Share of the places that the longest micro-batch gives to each that hold a token: 1 = all are
// equally long.
double fill(std::span<const MicroBatch> batches);

// Groups `rows` (indices into `dataset`) into micro-batches of at most `budget` tokens; a row
// longer than the budget gets its own. Rows of one line (Rows::goes_on) that follow each other in
// `rows` stay in one micro-batch, in their order. With `pack` false every line is its own
// micro-batch. Deterministic. The first label of each row is set to kNotTrained.
//
// Each of several ranks gets whole micro-batches, of about the same number of tokens in all; their
// number is a multiple of the ranks' where there are rows enough. All ranks together have every row
// once.
std::vector<MicroBatch> pack(const Rows& dataset, std::span<const uint64_t> rows, int64_t budget,
                             bool pack, Deal deal = {});

// Order of the rows for epoch `epoch`: a permutation from seed and epoch.
std::vector<uint64_t> epoch_order(uint64_t rows, uint64_t seed, int64_t epoch);

}  // namespace slmtune::data
