// Llama 2, 3.x and models of the same shape (TinyLlama, SmolLM2, …): optional biases, llama3 rope
// scaling.
#include "models/blocks/decoder.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"
#include "models/families/llama_gguf.h"

namespace slmtune::models {
namespace {

void configure(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  require_layer_types(keys, "full_attention");
  config.attention_bias = config.output_bias = keys.flag("attention_bias");
  config.mlp_bias = keys.flag("mlp_bias");
}

}  // namespace

Family llama_family() {
  return {.architecture = "LlamaForCausalLM",
          .model_type = "llama",
          .configure = configure,
          .build = make_decoder<pre_norm_layer>,
          .gguf = llama_gguf_facts()};
}

}  // namespace slmtune::models
