// How fast each pair of channels turns: θ^(−2i/d), scaled as config.json says. Formulas and order
// of operations are those of transformers (modeling_rope_utils.py), so float32 values agree bit for
// bit.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "models/model_config.h"

namespace slmtune::models {

// [⌈dim / 2⌉] in `type`. `factors` divide the frequencies one by one; empty: none.
at::Tensor plain_frequencies(double theta, int64_t dim, at::ScalarType type,
                             const std::vector<double>& factors = {});
// With the scaling of `rope`; for longrope the short factors, for dynamic those of short texts.
at::Tensor scaled_frequencies(double theta, int64_t dim, const RopeScaling& rope,
                              at::ScalarType type);
// The base of "dynamic" scaling for a text of `length` tokens.
double dynamic_theta(double theta, int64_t dim, double factor, int64_t length,
                     int64_t max_positions);

}  // namespace slmtune::models
