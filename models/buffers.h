// Tensors of a checkpoint that are no weights.
#pragma once
#include <string_view>

namespace slmtune::models {

// Buffers that old checkpoints store although they follow from the config.
inline bool is_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attn.bias") ||
         name.ends_with(".masked_bias");
}

}  // namespace slmtune::models
