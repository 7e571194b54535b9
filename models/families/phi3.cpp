// Phi-3, 3.5, Phi-4 and Phi-4-mini: q, k, v and gate, up are one matrix each; part of a head may
// turn; longrope. Not Phi-3-small and not the older PhiForCausalLM.
#include <numeric>

#include "models/blocks/decoder.h"
#include "models/blocks/placeholder.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"

namespace slmtune::models {
namespace {

constexpr std::string_view kPhi3RopeTypes[] = {"default", "longrope"};

DecoderLayer phi3_layer(const ModelConfig& config, size_t layer, at::ScalarType dtype) {
  DecoderLayer made = pre_norm_layer(config, layer, dtype);
  const auto join = [&](Half& half, const char* name) {
    const std::vector<int64_t> widths = half.mixer->widths();
    const int64_t rows = std::accumulate(widths.begin(), widths.end(), int64_t{0});
    half.inputs.clear();
    half.inputs.push_back({name, placeholder_linear(config.hidden_size, rows, false, dtype)});
  };
  join(made.attention, "self_attn.qkv_proj");  // rows: queries H·hd, keys K·hd, values K·hd
  join(made.mlp, "mlp.gate_up_proj");          // rows: gate F, up F
  return made;
}

void configure(ModelConfig& config, const ConfigReader& keys) {
  require_silu(keys);
  read_uniform_window(config, keys);
}

}  // namespace

Family phi3_family() {
  return {.architecture = "Phi3ForCausalLM",
          .model_type = "phi3",
          .defaults = R"({"rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
                          "original_max_position_embeddings": 4096, "pad_token_id": 32000})",
          .rope_types = kPhi3RopeTypes,
          .has_partial_rotation = true,
          .configure = configure,
          .build = make_decoder<phi3_layer>,
          .tiny_config = R"({"head_dim": 8, "sliding_window": 7, "partial_rotary_factor": 0.5,
                             "max_position_embeddings": 1024,
                             "original_max_position_embeddings": 512,
                             "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5],
                                              "long_factor": [2.0, 6.0]}})"};
}

}  // namespace slmtune::models
