// Qwen2 and Qwen2.5: q, k and v have a bias, nothing else has.
#include "core/error.h"
#include "models/blocks/decoder.h"
#include "models/families/internal/rows.h"
#include "models/families/pre_norm_names.h"

namespace slmtune::models {
namespace {

void configure(ModelConfig& config, const Json& json, const std::string& where) {
  config.attention_bias = true;
  // `sliding_window` has a value in every release, in use or not; only this switch counts.
  const auto window = json.find("use_sliding_window");
  if (window != json.end() && !window->is_null() && *window != false)
    throw FileFormatError("F051", where,
                          "'use_sliding_window' is " + window->dump() + ", which is not supported",
                          "supported: false, as in all Qwen2 and Qwen2.5 instruct releases");
}

}  // namespace

Family qwen2_family() {
  return {.architecture = "Qwen2ForCausalLM",
          .model_type = "qwen2",
          .configure = configure,
          .build = make_pre_norm_decoder,
          .gguf = {.architecture = "qwen2", .names = pre_norm_gguf_names()}};
}

}  // namespace slmtune::models
