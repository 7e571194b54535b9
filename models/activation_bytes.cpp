#include "models/activation_bytes.h"

#include "models/families/family.h"

namespace slmtune::models {

KeptBytes kept_bytes_per_token(const ModelConfig& config, const KeptForm& form) {
  const int64_t hidden = config.hidden_size, queries = config.heads * config.head_dim;
  const int64_t keys = config.kv_heads * config.head_dim;
  const int64_t norms = find_family(config.architecture)->has_output_norms ? 2 * hidden : 0;
  const int64_t always = 2 * hidden + queries + form.ranks + norms;
  const int64_t projections = queries + 2 * keys + 2 * config.intermediate_size;
  const int64_t log_sum_bytes = 4 * config.heads;
  const auto bytes = [](int64_t count) { return static_cast<double>(count); };
  return {.all = bytes((always + projections) * form.element_bytes + log_sum_bytes),
          .halves = bytes(always * form.element_bytes + log_sum_bytes),
          .input = bytes(hidden * form.element_bytes)};
}

}  // namespace slmtune::models
