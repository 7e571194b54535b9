// Qwen2 and Qwen2.5: q, k and v have a bias, nothing else has.
#include "models/blocks/decoder.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"
#include "models/families/pre_norm_names.h"

namespace slmtune::models {
namespace {

constexpr int64_t kMostLayers = 1 << 20;

void configure(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  config.attention_bias = true;
  // `sliding_window` has a value in every release, in use or not; only this switch counts.
  if (!keys.flag("use_sliding_window")) return require_layer_types(keys, "full_attention");
  const int64_t first = keys.given("max_window_layers") && keys.value("max_window_layers") == 0
                            ? 0
                            : keys.size("max_window_layers", kMostLayers);
  read_layer_windows(config, keys, [first](int64_t layer) { return layer >= first; });
}

}  // namespace

Family qwen2_family() {
  return {.architecture = "Qwen2ForCausalLM",
          .model_type = "qwen2",
          .defaults = R"({"max_position_embeddings": 32768, "sliding_window": 4096,
                          "max_window_layers": 28})",
          .configure = configure,
          .build = make_decoder<pre_norm_layer>,
          .gguf = {.architecture = "qwen2",
                   .names = pre_norm_gguf_names(),
                   .rope_types = {"default", "linear", "yarn"},
                   .fixes_head_dim = true}};
}

}  // namespace slmtune::models
