#include "models/families/pre_norm_names.h"

namespace slmtune::models {

std::vector<std::pair<std::string_view, std::string_view>> pre_norm_gguf_names() {
  return {{"model.embed_tokens", "token_embd"},
          {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
          {"model.layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
          {"model.layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
          {"model.layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
          {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
          {"model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
          {"model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
          {"model.layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
          {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
          {"model.norm", "output_norm"},
          {"lm_head", "output"}};
}

}  // namespace slmtune::models
