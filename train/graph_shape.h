// Micro-batches of few sizes, so that a step which was recorded for one of them serves many
// (kernels/recorded_work.h): tokens, labels and rows are filled up to the next size. What is filled
// in carries no loss and is seen by nobody.
#pragma once
#include <cstdint>
#include <vector>

#include "data/packer.h"

namespace slmtune::train {

struct GraphShape {
  int64_t tokens = 0, labels = 0, rows = 0;
  auto operator<=>(const GraphShape&) const = default;
};

// Eighths of a power of two, from 64 on: 64, 72, …, 128, 144, …: at most an eighth is filled in.
int64_t filled_up(int64_t count);

// Tokens as filled_up() says; labels in eighths of those; rows to a power of two, one more than the
// batch has for the tokens that are filled in.
GraphShape graph_shape(const data::MicroBatch& batch);

// The tables of a micro-batch, filled up.
struct FilledBatch {
  std::vector<int64_t> ids, positions;       // [tokens]
  std::vector<int64_t> label_rows, targets;  // [labels]
  std::vector<int64_t> weights;              // [labels]: 1, and 0 for those filled in
  std::vector<int64_t> starts;               // [rows + 1]; rows without tokens stand at the end
};
FilledBatch fill_up(const data::MicroBatch& batch, const GraphShape& shape);

// What decides whether steps are recorded.
struct GraphFacts {
  bool on_gpu = false;
  int64_t parameters = 0;     // of the model
  bool draws_random = false;  // dropout, noise on embeddings
  bool all_fused = false;     // every layer is served by models/blocks/fused_half.h
  bool offloads = false;
  bool turns_by_length = false;  // rotary angles that depend on the length of the row
};
// Launching kernels costs as much as small models' arithmetic, and nothing beside large ones': up
// to 3 thousand million parameters. Random numbers, copies to the host and sizes that are looked up
// on the host cannot be recorded.
bool records_steps(const GraphFacts& facts);

}  // namespace slmtune::train
