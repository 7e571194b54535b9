#include "models/model_config.h"

#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "models/config_reader.h"
#include "models/families/family.h"
#include "models/rope_config.h"

namespace slmtune::models {
namespace {

// Larger than any published decoder; keeps every product of two sizes far from overflow.
constexpr int64_t kMaxWidth = 1 << 17, kMaxLayers = 1024, kMaxHeads = 1024, kMaxHeadDim = 1024;
constexpr int64_t kMaxVocabulary = 1 << 22, kMaxFeedForward = 1 << 20;

std::string supported_architectures() {
  std::string text;
  for (const Family& family : families())
    text += (text.empty() ? "" : ", ") + std::string(family.architecture);
  return text;
}

const Family& family_of(const ConfigReader& keys) {
  std::string name;
  if (keys.given("architectures")) {
    const Json& list = keys.value("architectures");
    if (!list.is_array() || list.empty() || !list.front().is_string())
      keys.fail("F004", "'architectures' is not a list of names");
    name = list.front().get<std::string>();
    if (const Family* family = find_family(name)) return *family;
  } else {
    name = keys.text("model_type");
    for (const Family& family : families())
      if (family.model_type == name) return family;
  }
  keys.fail("F050", "architecture '" + shown(name) + "' is not supported",
            "supported are: " + supported_architectures());
}

// Keys that the file leaves out have the family's value; a null stays a null.
Json with_defaults(const Json& json, std::string_view defaults) {
  Json filled = defaults.empty() ? Json::object() : Json::parse(defaults);
  filled.update(json);
  return filled;
}

void read_heads(ModelConfig& config, const ConfigReader& keys) {
  config.heads = keys.size("num_attention_heads", kMaxHeads);
  config.kv_heads = keys.size_or("num_key_value_heads", config.heads, kMaxHeads);
  if (config.heads % config.kv_heads != 0)
    keys.fail("F052", "'num_attention_heads' (" + std::to_string(config.heads) +
                          ") is not a multiple of 'num_key_value_heads' (" +
                          std::to_string(config.kv_heads) + ")");
  const bool divides = config.hidden_size % config.heads == 0;
  if (!keys.given("head_dim") && !divides)
    keys.fail("F052", "'hidden_size' (" + std::to_string(config.hidden_size) +
                          ") is not a multiple of 'num_attention_heads' (" +
                          std::to_string(config.heads) + ") and there is no 'head_dim'");
  config.head_dim = keys.size_or("head_dim", config.hidden_size / config.heads, kMaxHeadDim);
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
}

void read_end_tokens(ModelConfig& config, const ConfigReader& keys) {
  if (!keys.given("eos_token_id")) return;
  // Some published files use -1 for "none".
  for (const int64_t id : keys.ids("eos_token_id"))
    if (id >= 0 && id < config.vocab_size) config.eos_ids.push_back(static_cast<int32_t>(id));
}

void read_padding(ModelConfig& config, const ConfigReader& keys) {
  if (!keys.given("pad_token_id")) return;
  const std::vector<int64_t> ids = keys.ids("pad_token_id");
  if (ids.size() != 1) keys.fail("F004", "'pad_token_id' is not one token id");
  if (ids[0] >= 0 && ids[0] < config.vocab_size) config.pad_id = ids[0];
}

// "" when config.json says nothing of quantised weights.
std::string text_or_empty(const ConfigReader& keys, const std::string& key) {
  return keys.given(key) ? keys.text(key) : "";
}

std::string read_stored_quant(const ConfigReader& keys) {
  constexpr const char* kKey = "quantization_config";
  if (!keys.given(kKey)) return "none";
  const std::string supported =
      "4-bit weights of bitsandbytes (nf4), and weights in f32, bf16 or f16 (quantise with "
      "'model.quant')";
  const ConfigReader inner = keys.inside(kKey);
  const std::string method = text_or_empty(inner, "quant_method");
  if (method != "bitsandbytes")
    keys.refuse(kKey, method.empty() ? "of no known method" : "of method " + method, supported);
  if (inner.flag("load_in_8bit")) keys.refuse(kKey, "8-bit bitsandbytes", supported);
  if (!inner.flag("load_in_4bit"))
    keys.refuse(kKey, "bitsandbytes without load_in_4bit", supported);
  // bitsandbytes' own default is fp4.
  const std::string type = text_or_empty(inner, "bnb_4bit_quant_type");
  if (type != "nf4")
    keys.refuse(kKey, type.empty() ? "4-bit of type fp4" : "4-bit of type " + type, supported);
  return "nf4";
}

}  // namespace

ModelConfig ModelConfig::from_json(const Json& json, const std::string& where) {
  const Family& family = family_of(ConfigReader(json, where));
  const ConfigReader keys(with_defaults(json, family.defaults), where);
  ModelConfig config;
  config.json = json;
  config.stored_quant = read_stored_quant(keys);
  config.json.erase("quantization_config");  // what is exported is not quantised
  config.architecture = family.architecture;
  config.hidden_size = keys.size("hidden_size", kMaxWidth);
  config.intermediate_size = keys.size("intermediate_size", kMaxFeedForward);
  config.layers = keys.size("num_hidden_layers", kMaxLayers);
  config.vocab_size = keys.size("vocab_size", kMaxVocabulary);
  config.max_positions = keys.size_or("max_position_embeddings", 2048, kMaxPositions);
  config.windows.assign(static_cast<size_t>(config.layers), 0);
  read_heads(config, keys);
  config.rms_norm_eps = keys.positive_or("rms_norm_eps", 1e-6);
  config.initializer_range = keys.positive_or("initializer_range", 0.02);
  config.tied_embeddings = keys.flag("tie_word_embeddings");
  read_rope(config, keys, family.rope_types, family.has_partial_rotation);
  read_end_tokens(config, keys);
  read_padding(config, keys);
  family.configure(config, keys);
  return config;
}

ModelConfig ModelConfig::load(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  return from_json(read_json(file), file.string());
}

}  // namespace slmtune::models
