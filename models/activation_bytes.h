// What a training step keeps of the layers between its forward and its backward pass: the formulas
// of models/blocks/fused_half.h, for memory plans that know no more than config.json.
//
//   KeptBytes kept = kept_bytes_per_token(config, {.element_bytes = 2, .ranks = 7 * 16});
//   double bytes = tokens * (layers - k) * kept.all + tokens * k * kept.halves;
#pragma once
#include <cstdint>

#include "models/model_config.h"

namespace slmtune::models {

struct KeptForm {
  int64_t element_bytes = 4;  // of the activations
  int64_t ranks = 0;          // of one layer's adapters, summed; 7 · r for all linears of a Llama
};

// Bytes per token of one layer.
struct KeptBytes {
  double all = 0;     // that recomputes nothing
  double halves = 0;  // that recomputes norms and projections (CausalLM::recompute_layers)
  double input = 0;   // that recomputes everything (CausalLM::recompute_whole)
};

// Layers that the fused path does not serve (dropout, DoRA, full training) keep 2·D elements per
// token when they recompute, and more than `all` when not.
KeptBytes kept_bytes_per_token(const ModelConfig& config, const KeptForm& form);

}  // namespace slmtune::models
