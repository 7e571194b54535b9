// What the family files share in reading config.json: activations and the windows of layers.
#pragma once
#include <functional>
#include <string>

#include "models/config_reader.h"
#include "models/model_config.h"

namespace slmtune::models {

// F051 unless `hidden_act` is absent, null or names SiLU.
void require_silu(const ConfigReader& keys);

// F051 when `layer_types` (transformers 5.x) has another entry than `kind`, the only one that the
// family has here.
void require_layer_types(const ConfigReader& keys, const std::string& kind);

// Gives every layer the window of `sliding_window`; null means none.
void read_uniform_window(ModelConfig& config, const ConfigReader& keys);

// Gives the window of `sliding_window` to the layers that `layer_types` calls sliding or, without
// that list, to those that `is_sliding` chooses.
void read_layer_windows(ModelConfig& config, const ConfigReader& keys,
                        const std::function<bool(int64_t layer)>& is_sliding);

}  // namespace slmtune::models
