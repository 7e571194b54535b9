// Phi-3, 3.5, Phi-4 and Phi-4-mini: q, k, v and gate, up are one matrix each; part of a head may
// turn; longrope. Not Phi-3-small and not the older PhiForCausalLM.
#include <numeric>

#include "models/blocks/decoder.h"
#include "models/blocks/placeholder.h"
#include "models/families/gguf_keys.h"
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

constexpr const char* kLongFactors = "rope_factors_long.weight";
constexpr const char* kShortFactors = "rope_factors_short.weight";
constexpr const char* kOriginalContext = "rope.scaling.original_context_length";

std::string gguf_obstacle(const ModelConfig& config) {
  return config.rotary_dim % 2 == 0 ? "" : "an odd number of channels turns with the position";
}

std::vector<GgufKey> gguf_keys(const ModelConfig& config) {
  const bool has_factors = config.rope.type == "longrope";
  const int64_t original = has_factors ? config.rope.original_max_positions : config.max_positions;
  // Older versions of llama.cpp demand the window, 0 where there is none.
  const int64_t window = config.windows.empty() ? 0 : config.windows.front();
  std::vector<GgufKey> keys{{"rope.dimension_count", gguf_count(config.rotary_dim)},
                            {kOriginalContext, gguf_count(original)},
                            {"attention.sliding_window", gguf_count(window)}};
  if (has_factors)
    keys.push_back({"rope.scaling.attn_factor", static_cast<float>(config.rope.attention_factor)});
  return keys;
}

std::vector<GgufVector> gguf_vectors(const ModelConfig& config) {
  if (config.rope.type != "longrope") return {};
  const auto floats = [](const std::vector<double>& values) {
    return std::vector<float>(values.begin(), values.end());
  };
  return {{kLongFactors, floats(config.rope.long_factors)},
          {kShortFactors, floats(config.rope.short_factors)}};
}

std::string gguf_note(const ModelConfig& config) {
  std::string note;
  if (const int64_t window = shortest_window(config); window > 0)
    note = "llama.cpp has no sliding window for Phi-3: answers to more than " +
           std::to_string(window) + " tokens differ from this model's";
  if (config.rope.type == "longrope" && config.rope.original_max_positions < config.max_positions)
    note += std::string(note.empty() ? "" : "; ") +
            "llama.cpp chooses the rope factors by its context size, not by the text: serve with "
            "a context of at most " +
            std::to_string(config.rope.original_max_positions) +
            " tokens, or short texts are turned by the factors of long ones";
  return note;
}

void gguf_read(Json& config, const GgufReading& file) {
  const auto number = [&](const char* key) { return file.number(key).value_or(0.0); };
  const double turning = number("rope.dimension_count"), width = config.at("head_dim");
  // Half a channel more, which is cut off again: the quotient may be a little too small.
  if (turning > 0.0 && turning < width) config["partial_rotary_factor"] = (turning + 0.5) / width;
  const auto window = static_cast<int64_t>(number("attention.sliding_window"));
  config["sliding_window"] = window > 0 ? Json(window) : Json();
  const auto longer = file.vector(kLongFactors), shorter = file.vector(kShortFactors);
  if (!longer || !shorter) return;
  if (const auto original = static_cast<int64_t>(number(kOriginalContext)); original > 0)
    config["original_max_position_embeddings"] = original;
  config["rope_scaling"] = {
      {"type", "longrope"}, {"long_factor", *longer}, {"short_factor", *shorter}};
  if (const double factor = number("rope.scaling.attn_factor"); factor > 0.0)
    config["rope_scaling"]["attention_factor"] = factor;
}

GgufFacts gguf_facts() {
  return {.architecture = "phi3",
          .names = {{"model.embed_tokens", "token_embd"},
                    {"model.layers.{}.input_layernorm", "blk.{}.attn_norm"},
                    {"model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"},
                    {"model.layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
                    {"model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
                    {"model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
                    {"model.layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
                    {"model.norm", "output_norm"},
                    {"lm_head", "output"}},
          .rope_types = {"default", "longrope"},
          .fixes_head_dim = true,
          .holds_windows = true,
          .keys = gguf_keys,
          .vectors = gguf_vectors,
          .obstacle = gguf_obstacle,
          .note = gguf_note,
          .read = gguf_read};
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
          .gguf = gguf_facts(),
          .tiny_config = R"({"head_dim": 8, "sliding_window": 7, "partial_rotary_factor": 0.5,
                             "max_position_embeddings": 1024,
                             "original_max_position_embeddings": 512,
                             "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5],
                                              "long_factor": [2.0, 6.0]}})"};
}

}  // namespace slmtune::models
