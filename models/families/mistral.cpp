// Mistral 7B v0.1–v0.3, Small 22B, Nemo: Llama without biases, with heads of any size and, in v0.1,
// a sliding window in every layer.
#include "models/blocks/decoder.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"
#include "models/families/llama_gguf.h"

namespace slmtune::models {
namespace {

void configure(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  read_uniform_window(config, keys);
}

}  // namespace

Family mistral_family() {
  return {.architecture = "MistralForCausalLM",
          .model_type = "mistral",
          .defaults = R"({"max_position_embeddings": 131072, "sliding_window": 4096})",
          .configure = configure,
          .build = make_decoder<pre_norm_layer>,
          .gguf = llama_gguf_facts(),
          .tiny_config = R"({"head_dim": 6, "sliding_window": 5})"};
}

}  // namespace slmtune::models
