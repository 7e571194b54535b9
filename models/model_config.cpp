#include "models/model_config.h"

#include "core/error.h"
#include "models/families/family.h"

namespace slmtune::models {
namespace {

// Larger than any published decoder; keeps every product of two sizes far from overflow.
constexpr int64_t kMaxWidth = 1 << 17, kMaxLayers = 1024, kMaxHeads = 1024, kMaxHeadDim = 1024;
constexpr int64_t kMaxVocabulary = 1 << 22, kMaxFeedForward = 1 << 20, kMaxPositions = 1 << 27;

bool given(const Json& json, const std::string& key) {
  const auto found = json.find(key);
  return found != json.end() && !found->is_null();
}

int64_t bounded(const Json& json, const std::string& key, int64_t high, const std::string& where) {
  const int64_t value = json_integer(json, key, where);
  if (value < 1 || value > high)
    throw FileFormatError(
        "F052", where,
        "'" + key + "' is " + std::to_string(value) + "; expected 1 to " + std::to_string(high),
        "check that the file belongs to a decoder language model");
  return value;
}

double number_or(const Json& json, const std::string& key, double fallback,
                 const std::string& where) {
  return given(json, key) ? json_number(json, key, where) : fallback;
}

double positive(double value, const std::string& key, const std::string& where) {
  if (!(value > 0.0) || value > 1e12)
    throw FileFormatError("F052", where,
                          "'" + key + "' is " + Json(value).dump() + "; expected more than 0");
  return value;
}

std::string supported_architectures() {
  std::string text;
  for (const Family& family : families())
    text += (text.empty() ? "" : ", ") + std::string(family.architecture);
  return text;
}

const Family& family_of(const Json& json, const std::string& where) {
  std::string name;
  if (given(json, "architectures")) {
    const Json& list = json.at("architectures");
    if (!list.is_array() || list.empty() || !list.front().is_string())
      throw FileFormatError("F004", where, "'architectures' is not a list of names");
    name = list.front().get<std::string>();
    if (const Family* family = find_family(name)) return *family;
  } else {
    name = json_text(json, "model_type", where);
    for (const Family& family : families())
      if (family.model_type == name) return family;
  }
  throw FileFormatError("F050", where, "architecture '" + name + "' is not supported",
                        "supported are: " + supported_architectures());
}

[[noreturn]] void refuse_option(const std::string& where, const std::string& key,
                                const std::string& value, const std::string& supported) {
  throw FileFormatError("F051", where, "'" + key + "' is " + value + ", which is not supported",
                        "supported: " + supported);
}

void read_llama3_scaling(RopeScaling& rope, const Json& json, const std::string& where) {
  rope.low_freq_factor =
      positive(json_number(json, "low_freq_factor", where), "low_freq_factor", where);
  rope.high_freq_factor =
      positive(json_number(json, "high_freq_factor", where), "high_freq_factor", where);
  rope.original_max_positions =
      bounded(json, "original_max_position_embeddings", kMaxPositions, where);
  if (rope.high_freq_factor <= rope.low_freq_factor)
    throw FileFormatError("F052", where, "'high_freq_factor' must be above 'low_freq_factor'");
}

void read_rope_type(RopeScaling& rope, const std::string& key, const Json& json,
                    const std::string& where) {
  if (!json.is_object()) throw FileFormatError("F004", where, "'" + key + "' is not an object");
  if (given(json, "rope_type")) {
    rope.type = json_text(json, "rope_type", where);
  } else if (given(json, "type")) {
    rope.type = json_text(json, "type", where);
  }
  if (rope.type == "default") return;
  if (rope.type != "linear" && rope.type != "llama3")
    refuse_option(where, key + ".rope_type", "'" + rope.type + "'", "default, linear, llama3");
  rope.factor = positive(json_number(json, "factor", where), key + ".factor", where);
  if (rope.type == "llama3") read_llama3_scaling(rope, json, where);
}

// transformers 4.x: rope_theta and rope_scaling; 5.x: both inside rope_parameters.
void read_rope(ModelConfig& config, const Json& json, const std::string& where) {
  config.rope_theta = number_or(json, "rope_theta", 10000.0, where);
  double partial = number_or(json, "partial_rotary_factor", 1.0, where);
  if (given(json, "rope_parameters")) {
    const Json& rope = json.at("rope_parameters");
    read_rope_type(config.rope, "rope_parameters", rope, where);
    config.rope_theta = number_or(rope, "rope_theta", config.rope_theta, where);
    partial = number_or(rope, "partial_rotary_factor", partial, where);
  } else if (given(json, "rope_scaling")) {
    read_rope_type(config.rope, "rope_scaling", json.at("rope_scaling"), where);
  }
  positive(config.rope_theta, "rope_theta", where);
  if (partial != 1.0) refuse_option(where, "partial_rotary_factor", Json(partial).dump(), "1.0");
}

void read_heads(ModelConfig& config, const Json& json, const std::string& where) {
  config.heads = bounded(json, "num_attention_heads", kMaxHeads, where);
  config.kv_heads = given(json, "num_key_value_heads")
                        ? bounded(json, "num_key_value_heads", kMaxHeads, where)
                        : config.heads;
  if (config.heads % config.kv_heads != 0)
    throw FileFormatError("F052", where,
                          "'num_attention_heads' (" + std::to_string(config.heads) +
                              ") is not a multiple of 'num_key_value_heads' (" +
                              std::to_string(config.kv_heads) + ")");
  if (given(json, "head_dim")) {
    config.head_dim = bounded(json, "head_dim", kMaxHeadDim, where);
  } else {
    if (config.hidden_size % config.heads != 0)
      throw FileFormatError("F052", where,
                            "'hidden_size' (" + std::to_string(config.hidden_size) +
                                ") is not a multiple of 'num_attention_heads' (" +
                                std::to_string(config.heads) + ") and there is no 'head_dim'");
    config.head_dim = config.hidden_size / config.heads;
  }
  if (config.head_dim % 2 != 0)
    throw FileFormatError("F052", where,
                          "the head size is " + std::to_string(config.head_dim) +
                              "; rotary positions need an even number");
}

void read_end_tokens(ModelConfig& config, const Json& json, const std::string& where) {
  if (!given(json, "eos_token_id")) return;
  const Json& value = json.at("eos_token_id");
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& id : list) {
    if (!id.is_number_integer())
      throw FileFormatError("F004", where, "'eos_token_id' is not a number or a list of numbers");
    const int64_t number = id.get<int64_t>();
    // Some published files use -1 for "none".
    if (number >= 0 && number < config.vocab_size)
      config.eos_ids.push_back(static_cast<int32_t>(number));
  }
}

void refuse_unsupported(const Json& json, const std::string& where) {
  const std::string activation =
      given(json, "hidden_act") ? json_text(json, "hidden_act", where) : "silu";
  if (activation != "silu" && activation != "swish")
    refuse_option(where, "hidden_act", "'" + activation + "'", "silu");
  if (given(json, "quantization_config"))
    refuse_option(where, "quantization_config", "present",
                  "the original weights in f32, bf16 or f16 (quantise with 'model.quant')");
  if (!given(json, "layer_types")) return;
  for (const Json& type : json.at("layer_types"))
    if (type != "full_attention")
      refuse_option(where, "layer_types", type.dump(), "full_attention in every layer");
}

}  // namespace

ModelConfig ModelConfig::from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) throw FileFormatError("F004", where, "the file is not a JSON object");
  const Family& family = family_of(json, where);
  refuse_unsupported(json, where);
  ModelConfig config;
  config.json = json;
  config.architecture = family.architecture;
  config.hidden_size = bounded(json, "hidden_size", kMaxWidth, where);
  config.intermediate_size = bounded(json, "intermediate_size", kMaxFeedForward, where);
  config.layers = bounded(json, "num_hidden_layers", kMaxLayers, where);
  config.vocab_size = bounded(json, "vocab_size", kMaxVocabulary, where);
  config.max_positions = given(json, "max_position_embeddings")
                             ? bounded(json, "max_position_embeddings", kMaxPositions, where)
                             : 2048;
  read_heads(config, json, where);
  config.rms_norm_eps =
      positive(number_or(json, "rms_norm_eps", 1e-6, where), "rms_norm_eps", where);
  config.initializer_range =
      positive(number_or(json, "initializer_range", 0.02, where), "initializer_range", where);
  read_rope(config, json, where);
  if (given(json, "tie_word_embeddings")) {
    const Json& tied = json.at("tie_word_embeddings");
    if (!tied.is_boolean())
      throw FileFormatError("F004", where, "'tie_word_embeddings' is not true or false");
    config.tied_embeddings = tied.get<bool>();
  }
  read_end_tokens(config, json, where);
  family.configure(config, json, where);
  return config;
}

ModelConfig ModelConfig::load(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  return from_json(read_json(file), file.string());
}

}  // namespace slmtune::models
