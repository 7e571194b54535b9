#include "models/activation_bytes.h"

#include <algorithm>

#include "models/families/family.h"

namespace slmtune::models {

double kept_bytes_per_token(const ModelConfig& config, const KeptForm& form,
                            int64_t recompute_layers) {
  const int64_t hidden = config.hidden_size, queries = config.heads * config.head_dim;
  const int64_t keys = config.kv_heads * config.head_dim;
  const int64_t norms = find_family(config.architecture)->has_output_norms ? 2 * hidden : 0;
  const int64_t always = 2 * hidden + queries + form.ranks + norms;
  const int64_t projections = queries + 2 * keys + 2 * config.intermediate_size;
  const int64_t keeping = std::max<int64_t>(0, config.layers - recompute_layers);
  const int64_t log_sum_bytes = 4 * config.heads;
  return static_cast<double>(config.layers * (always * form.element_bytes + log_sum_bytes) +
                             keeping * projections * form.element_bytes);
}

}  // namespace slmtune::models
