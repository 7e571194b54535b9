// Memory that a training run will take, by part, worked out before anything is allocated.
// `slmtune plan` prints it and `train` chooses by it (train/memory_fit.h); docs/plan.md has the
// formulas and how far they were from what was measured.
//
//   MemoryPlan plan = plan_memory(sizes, trained, {.quant = "nf4", .micro_batch_tokens = 2048});
//   plan.total();
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "train/model_sizes.h"

namespace slmtune::train {

// What of the rows decides how much memory a micro-batch takes.
struct RowLengths {
  int64_t longest = 0;           // tokens of the longest row, or pair of rows that belong together
  int64_t step = 1'000'000'000;  // tokens of the longest rows of a step: none has more
  double mean = 0;               // tokens of a row; 0: one row fills the micro-batch
};

struct PlanSetting {
  std::string quant = "none";          // of the layers' linears
  int64_t value_bytes = 2;             // of a weight and an activation: float32 4, bfloat16 2
  int64_t table_bytes = 4;             // of a value of embedding and head in the model's files
  bool full = false;                   // method full
  bool dora = false, dropout = false;  // of the adapters
  std::string optimizer = "adamw";
  int64_t micro_batch_tokens = 2048;
  int64_t recompute = 0;  // first layers that do not keep their projections
  int64_t whole = 0;      // of all layers the first ones that keep their input alone
  bool offload = false;   // their inputs lie in the computer's memory, on a GPU
  // Steps are recorded by size (train/graph_shape.h), so micro-batches are filled up; on a GPU.
  bool recorded = false;
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
  uint64_t layer_work = 0;   // backward pass of one half of a layer
  // One chunk of them, and the rows that they are made of; on a GPU what this is more than
  // layer_work, whose place it takes: they are not needed at the same time.
  uint64_t logits = 0;
  uint64_t workspace = 0;  // weights of fewer bits, written out
  uint64_t holes = 0;      // between blocks of the heap, on the CPU
  uint64_t program = 0;
  uint64_t host = 0;  // of the computer's memory beside a GPU's; no part of the total

  uint64_t total() const;
  // Names for people and for JSON, in this order.
  std::vector<std::pair<std::string, uint64_t>> parts() const;
};

MemoryPlan plan_memory(const ModelSizes& sizes, const TrainedSizes& trained,
                       const PlanSetting& setting);

// Tokens that go through an MLP at a time in layers that keep their input alone
// (CausalLM::mlp_tile); 0 = all of them: only long micro-batches gain, and matrices of so many rows
// lose nothing.
int64_t mlp_tile(const PlanSetting& setting);

// Bytes of `values` frozen values in a format of kernels/quant/names.h, scales included.
// `rows`: of all matrices together (int8 has a scale for each).
uint64_t stored_bytes(const std::string& quant, int64_t value_bytes, int64_t values, int64_t rows);

// Bytes of an optimiser's moments of all tensors.
uint64_t moment_bytes(const std::string& optimizer, int64_t value_bytes,
                      const TrainedSizes& trained);

// Layers of each form: the first `whole`, the next `halves`; the rest keep everything.
struct RecomputedLayers {
  int64_t whole = 0, halves = 0;
  int64_t both() const { return whole + halves; }
};
RecomputedLayers recomputed_layers(const ModelSizes& sizes, const PlanSetting& setting);

}  // namespace slmtune::train
