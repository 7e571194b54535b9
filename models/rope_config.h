// The rotary part of a config.json: rope_theta and rope_scaling (transformers 4.x) or
// rope_parameters (5.x).
#pragma once
#include <span>
#include <string_view>

#include "models/config_reader.h"
#include "models/model_config.h"

namespace slmtune::models {

// Fills rope_theta, rope and rotary_dim; needs head_dim and max_positions. F051 for a type that is
// not in `types` and for partial rotation where the family has none.
void read_rope(ModelConfig& config, const ConfigReader& keys,
               std::span<const std::string_view> types, bool has_partial_rotation);

// YaRN's own factor of cosines and sines for texts `factor` times as long (Peng et al. 2023,
// "YaRN", §3.4): 0.1·weight·ln(factor) + 1, where `weight` is the mscale of DeepSeek's files.
double yarn_magnitude(double factor, double weight = 1.0);

}  // namespace slmtune::models
