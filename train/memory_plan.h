// Memory that a training run will take, by part, worked out before anything is allocated; and the
// micro-batch and number of recomputed layers that fit a budget. `slmtune plan` prints it and
// `train` chooses by it; docs/plan.md has the formulas and how far they were from what was
// measured.
//
//   MemoryPlan plan = plan_memory(sizes, trained, {.quant = "nf4", .micro_batch_tokens = 2048});
//   plan.total();
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/model_sizes.h"
#include "train/train_config.h"

namespace slmtune::train {

// What of the rows decides how much memory a micro-batch takes.
struct RowLengths {
  int64_t longest = 0;           // tokens of the longest row, or pair of rows that belong together
  int64_t step = 1'000'000'000;  // tokens of the longest rows of a step: none has more
};

struct PlanSetting {
  std::string quant = "none";          // of the layers' linears
  int64_t value_bytes = 2;             // of a weight and an activation: float32 4, bfloat16 2
  bool full = false;                   // method full
  bool dora = false, dropout = false;  // of the adapters
  std::string optimizer = "adamw";
  int64_t micro_batch_tokens = 2048;
  int64_t recompute = 0;  // layers that do not keep their projections
  int64_t loss_chunk = 512;
  RowLengths rows = {};
  bool on_cpu = false;
  uint64_t program = 0;  // bytes of the program itself with its data, or of the GPU's context

  // Plain low-rank adapters go by models/blocks/fused_half.h.
  bool fused() const { return !full && !dora && !dropout; }
};

// Of the largest micro-batch: a row longer than the budget has one to itself, and the rows of a
// step may be fewer than would fit.
int64_t batch_tokens(const PlanSetting& setting);

struct MemoryPlan {
  uint64_t base = 0;        // frozen weights of the layers; with method full all weights
  uint64_t embeddings = 0;  // embedding and head of a frozen base
  uint64_t adapter = 0;     // what trains beside it
  uint64_t gradients = 0;
  uint64_t optimizer = 0;    // its moments
  uint64_t activations = 0;  // what the layers keep for the backward pass
  uint64_t layer_work = 0;   // forward or backward of one half of a layer
  uint64_t logits = 0;       // one chunk of them, and the rows that they are made of
  uint64_t workspace = 0;    // weights of fewer bits, written out
  uint64_t holes = 0;        // between blocks of the heap, on the CPU
  uint64_t program = 0;

  uint64_t total() const;
  // Names for people and for JSON, in this order.
  std::vector<std::pair<std::string, uint64_t>> parts() const;
};

MemoryPlan plan_memory(const ModelSizes& sizes, const TrainedSizes& trained,
                       const PlanSetting& setting);

// Bytes that all layers keep per token of a micro-batch between its passes.
double kept_bytes_per_token(const ModelSizes& sizes, const TrainedSizes& trained,
                            const PlanSetting& setting);

// Bytes of `values` frozen values in a format of kernels/quant/names.h, scales included.
// `rows`: of all matrices together (int8 has a scale for each).
uint64_t stored_bytes(const std::string& quant, int64_t value_bytes, int64_t values, int64_t rows);

// Bytes of an optimiser's moments of all tensors.
uint64_t moment_bytes(const std::string& optimizer, int64_t value_bytes,
                      const TrainedSizes& trained);

// What `auto` stands for in a recipe: the fewest changes to `setting` that fit. Smaller
// micro-batches, down to `least_tokens`, come before recomputing, which costs time. Where nothing
// fits the smallest setting is returned.
struct AutoChoice {
  std::optional<int64_t> micro_batch_tokens = {},
                         recompute = {};  // as the recipe says; absent = auto
  int64_t most_tokens = 4096, least_tokens = 1024;
};
PlanSetting fit_to(uint64_t budget, const ModelSizes& sizes, const TrainedSizes& trained,
                   PlanSetting setting, const AutoChoice& choice);

}  // namespace slmtune::train
