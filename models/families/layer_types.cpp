#include "models/families/internal/layer_types.h"

namespace slmtune::models {
namespace {

constexpr const char* kKey = "layer_types";

void require_list(const ConfigReader& keys) {
  if (!keys.value(kKey).is_array())
    keys.fail("F004", "'layer_types' is not a list with one entry per layer");
}

bool slides(const ConfigReader& keys, const Json& type) {
  if (type == "sliding_attention") return true;
  if (type == "full_attention") return false;
  keys.refuse(kKey, type.dump(), "full_attention, sliding_attention");
}

}  // namespace

void require_silu(const ConfigReader& keys) {
  if (!keys.given("hidden_act")) return;
  const std::string activation = keys.text("hidden_act");
  if (activation != "silu" && activation != "swish")
    keys.refuse("hidden_act", "'" + activation + "'", "silu");
}

void require_layer_types(const ConfigReader& keys, const std::string& kind) {
  if (!keys.given(kKey)) return;
  require_list(keys);
  for (const Json& type : keys.value(kKey))
    if (type != kind) keys.refuse(kKey, type.dump(), kind + " in every layer");
}

void read_uniform_window(ModelConfig& config, const ConfigReader& keys) {
  const int64_t window = keys.size_or("sliding_window", 0, kMaxPositions);
  config.windows.assign(config.windows.size(), window);
  require_layer_types(keys, window > 0 ? "sliding_attention" : "full_attention");
}

void read_layer_windows(ModelConfig& config, const ConfigReader& keys,
                        const std::function<bool(int64_t layer)>& is_sliding) {
  const int64_t window = keys.size_or("sliding_window", 0, kMaxPositions);
  const bool has_types = keys.given(kKey);
  if (has_types) require_list(keys);
  if (has_types && keys.value(kKey).size() != config.windows.size())
    keys.fail("F052", "'layer_types' has " + std::to_string(keys.value(kKey).size()) +
                          " entries for " + std::to_string(config.layers) + " layers");
  for (size_t i = 0; i < config.windows.size(); ++i) {
    const bool chosen =
        has_types ? slides(keys, keys.value(kKey)[i]) : is_sliding(static_cast<int64_t>(i));
    if (has_types && chosen && window == 0)
      keys.fail("F052", "'layer_types' has sliding layers but there is no 'sliding_window'");
    config.windows[i] = chosen ? window : 0;
  }
}

}  // namespace slmtune::models
