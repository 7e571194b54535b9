// Phi-3, 3.5, Phi-4 and Phi-4-mini: q, k, v and gate, up are one matrix each; part of a head may
// turn; longrope. Not Phi-3-small and not the older PhiForCausalLM.
#include <ATen/ATen.h>

#include "models/blocks/pre_norm_layer.h"
#include "models/families/internal/layer_types.h"
#include "models/families/internal/rows.h"

namespace slmtune::models {
namespace {

constexpr std::string_view kPhi3RopeTypes[] = {"default", "longrope"};

// Rows of qkv: [queries H·hd | keys K·hd | values K·hd].
struct FusedAttention {
  FusedAttention(const ModelConfig& config, size_t layer, at::ScalarType dtype)
      : queries(config.heads * config.head_dim),
        keys(config.kv_heads * config.head_dim),
        qkv(placeholder_linear(config.hidden_size, queries + 2 * keys, false, dtype)),
        output(placeholder_linear(queries, config.hidden_size, false, dtype)),
        mixer(config, layer) {}

  at::Tensor forward(const at::Tensor& x, const LayerInput& input) const {
    const auto parts = qkv.forward(x).split_with_sizes({queries, keys, keys}, -1);
    return output.forward(mixer.forward(parts[0], parts[1], parts[2], input));
  }
  void for_each_linear(const VisitLinear& visit) {
    visit("self_attn.qkv_proj", qkv);
    visit("self_attn.o_proj", output);
  }

  int64_t queries, keys;
  Linear qkv, output;
  AttentionMixer mixer;
};

// Rows of gate_up: [gate F | up F].
struct FusedMlp {
  FusedMlp(const ModelConfig& config, at::ScalarType dtype)
      : gate_up(placeholder_linear(config.hidden_size, 2 * config.intermediate_size, false, dtype)),
        down(placeholder_linear(config.intermediate_size, config.hidden_size, false, dtype)) {}

  at::Tensor forward(const at::Tensor& x) const {
    const auto halves = gate_up.forward(x).chunk(2, -1);
    return down.forward(swiglu(halves[0], halves[1]));
  }
  void for_each_linear(const VisitLinear& visit) {
    visit("mlp.gate_up_proj", gate_up);
    visit("mlp.down_proj", down);
  }

  Linear gate_up, down;
};

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
          .build = make_pre_norm_decoder<FusedAttention, FusedMlp>,
          .tiny_config = R"({"head_dim": 8, "sliding_window": 7, "partial_rotary_factor": 0.5,
                             "max_position_embeddings": 1024,
                             "original_max_position_embeddings": 512,
                             "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5],
                                              "long_factor": [2.0, 6.0]}})"};
}

}  // namespace slmtune::models
