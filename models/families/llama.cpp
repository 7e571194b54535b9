// Llama 2, 3.x and models of the same shape (TinyLlama, SmolLM2, …): optional biases, llama3 rope
// scaling.
#include "core/error.h"
#include "models/blocks/decoder.h"
#include "models/families/internal/rows.h"
#include "models/families/pre_norm_names.h"

namespace slmtune::models {
namespace {

bool flag(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return false;
  if (!found->is_boolean())
    throw FileFormatError("F004", where, "'" + std::string(key) + "' is not true or false");
  return found->get<bool>();
}

void configure(ModelConfig& config, const Json& json, const std::string& where) {
  config.attention_bias = config.output_bias = flag(json, "attention_bias", where);
  config.mlp_bias = flag(json, "mlp_bias", where);
}

}  // namespace

Family llama_family() {
  return {.architecture = "LlamaForCausalLM",
          .model_type = "llama",
          .configure = configure,
          .build = make_pre_norm_decoder,
          .gguf = {.architecture = "llama",
                   .names = pre_norm_gguf_names(),
                   .permutes_query_key = true,
                   .writes_rope_dimension = true,
                   .writes_rope_factors = true}};
}

}  // namespace slmtune::models
