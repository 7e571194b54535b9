// The sizes that memory and time of training depend on, counted from a model's shape: no weight is
// read, nothing of their size is allocated.
//
//   ModelSizes sizes = sizes_of(config);
//   TrainedSizes trained = lora_sizes(config, recipe.lora);
//   plan_memory(sizes, trained, setting);            // train/memory_plan.h
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lora/lora_config.h"
#include "models/model_config.h"

namespace slmtune::train {

struct LinearSize {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int64_t in = 0, out = 0;
  int64_t values() const { return in * out; }
};

struct ModelSizes {
  models::ModelConfig config;
  int64_t hidden = 0, intermediate = 0, vocabulary = 0;
  int64_t heads = 0, queries = 0,
          keys = 0;                      // queries = heads · head_dim, keys = kv_heads · head_dim
  std::vector<int64_t> windows;          // one per layer, 0 = none
  std::vector<LinearSize> linears = {};  // of all layers; the head is none of them
  int64_t vectors = 0;                   // values of norms and biases
  bool tied_head = false;
  bool norms_after = false;  // norms behind the outputs of a layer's halves too (Gemma 2)

  int64_t layers() const { return static_cast<int64_t>(windows.size()); }
  int64_t linear_values() const;
  int64_t largest_linear() const;  // values
  int64_t embedding_values() const { return vocabulary * hidden * (tied_head ? 1 : 2); }
  int64_t parameters() const { return linear_values() + embedding_values() + vectors; }
};
ModelSizes sizes_of(const models::ModelConfig& config);

// The tensors that train.
struct TrainedSizes {
  std::vector<int64_t> tensors;     // values of each
  int64_t ranks = 0;                // of all adapters, summed; PiSSA computes with twice its rank
  int64_t inputs = 0, outputs = 0;  // widths of the linears that have one, summed
  // Values beside them that stay as they began: PiSSA's first A and B.
  int64_t frozen = 0;
  int64_t values() const;
  // Of a snapshot: PiSSA is stored as a plain adapter of twice the rank.
  int64_t stored_values() const { return values() + frozen; }
};
// Of a new adapter. R061 for a bad regular expression among the targets.
TrainedSizes lora_sizes(const ModelSizes& sizes, const lora::LoraConfig& config);
// Of method full.
TrainedSizes full_sizes(const models::ModelConfig& config);

}  // namespace slmtune::train
