// What a training step keeps of the layers between its forward and its backward pass: the formula
// of models/blocks/fused_half.h, for memory plans that know no more than config.json.
//
//   double kept = tokens * kept_bytes_per_token(config, {.element_bytes = 2, .ranks = 7 * 16}, k);
#pragma once
#include <cstdint>

#include "models/model_config.h"

namespace slmtune::models {

struct KeptForm {
  int64_t element_bytes = 4;  // of the activations
  int64_t ranks = 0;          // of one layer's adapters, summed; 7 · r for all linears of a Llama
};

// Bytes per token of all layers, of which the first `recompute_layers` recompute. Layers that the
// fused path does not serve (dropout, DoRA, full training) keep 2·D elements per token when they
// recompute, and more than this figure when not.
double kept_bytes_per_token(const ModelConfig& config, const KeptForm& form,
                            int64_t recompute_layers);

}  // namespace slmtune::models
