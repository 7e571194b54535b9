// The table of model families with two of their configurations and without their networks, so
// that the readers of config.json and GGUF are linked without LibTorch. Between them they use every
// part that the families share.
#include "models/families/family.h"
#include "models/families/internal/layer_types.h"
#include "models/families/llama_gguf.h"

namespace slmtune::models {
namespace {

constexpr std::string_view kLongRope[] = {"default", "longrope"};

void configure_windows(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  read_layer_windows(config, keys, [](int64_t layer) { return layer % 2 == 0; });
  config.attention_bias = keys.flag("attention_bias");
}

void configure_uniform(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  read_uniform_window(config, keys);
}

}  // namespace

std::span<const Family> families() {
  static const std::vector<Family> rows = {
      {.architecture = "LlamaForCausalLM",
       .model_type = "llama",
       .configure = configure_windows,
       .gguf = llama_gguf_facts()},
      {.architecture = "Phi3ForCausalLM",
       .model_type = "phi3",
       .defaults = R"({"rope_theta": 10000.0, "sliding_window": null})",
       .rope_types = kLongRope,
       .has_partial_rotation = true,
       .configure = configure_uniform}};
  return rows;
}

}  // namespace slmtune::models
