// What the families share in making their GGUF keys.
#pragma once
#include <cstdint>

#include "core/error.h"
#include "models/model_config.h"

namespace slmtune::models {

// llama.cpp takes counts as unsigned 32-bit numbers only.
inline uint32_t gguf_count(int64_t value) {
  SLMTUNE_ASSERT(value >= 0 && value <= UINT32_MAX, "count does not fit 32 bits");
  return static_cast<uint32_t>(value);
}

// The window that matters for texts of the model's own length; 0 when there is none.
inline int64_t shortest_window(const ModelConfig& config) {
  int64_t shortest = 0;
  for (const int64_t window : config.windows)
    if (window > 0 && window < config.max_positions && (shortest == 0 || window < shortest))
      shortest = window;
  return shortest;
}

}  // namespace slmtune::models
