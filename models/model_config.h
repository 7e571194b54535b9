// What a config.json says about a decoder, checked and with defaults filled in (formats.md of
// transformers 4.x and 5.x).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"

namespace slmtune::models {

// How rotary frequencies are stretched for longer texts; the formulas are in blocks/rope.h.
struct RopeScaling {
  std::string type = "default";  // default | linear | dynamic | yarn | llama3 | longrope
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;       // llama3
  int64_t original_max_positions = 8192;                      // llama3, yarn, longrope
  double beta_fast = 32.0, beta_slow = 1.0;                   // yarn
  bool truncate = true;                                       // yarn
  std::vector<double> short_factors = {}, long_factors = {};  // longrope, one per frequency
  double attention_factor = 1.0;  // yarn, longrope: cosines and sines are multiplied by it
};

struct ModelConfig {
  std::string architecture;  // "LlamaForCausalLM"
  int64_t hidden_size = 0, intermediate_size = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0,
          vocab_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 1e-6, rope_theta = 10000.0, initializer_range = 0.02;
  RopeScaling rope;
  int64_t rotary_dim =
      0;  // the first channels of a head turn with the position; an odd number is rounded up
  std::vector<int64_t>
      windows;  // per layer: how many tokens back a token sees, itself counted; 0 = all
  double attention_scale =
      0.0;  // scores are multiplied by it: head_dim^-½ unless the family says so
  double attention_soft_cap = 0.0, logit_soft_cap = 0.0;  // c·tanh(x / c); 0 = none
  bool tied_embeddings = false;
  bool attention_bias = false, output_bias = false, mlp_bias = false;  // q,k,v · o · gate,up,down
  std::vector<int32_t> eos_ids;
  int64_t pad_id = -1;  // its embedding gets no gradient, as in transformers; -1 = none
  // "nf4": linears may be stored in bitsandbytes' 4-bit format and stay so; else "none".
  std::string stored_quant = "none";
  Json json;  // the file itself, written back unchanged by exports; without its quantization_config

  // N001, F002–F004; F050 architecture not supported (lists those that are); F051 option not
  // supported (named with its value); F052 a number out of range (sizes are bounded before anything
  // is allocated by them).
  static ModelConfig load(const std::filesystem::path& folder);
  static ModelConfig from_json(const Json& json, const std::string& where);
};

}  // namespace slmtune::models
