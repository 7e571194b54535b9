#include "models/facts.h"

#include <algorithm>
#include <cctype>

#include "core/yaml_reader.h"
#include "models/causal_lm.h"
#include "models/families/family.h"

namespace slmtune::models {
namespace {

constexpr IntRange kSize{1, 1'000'000'000'000};
constexpr IntRange kId{0, 1'000'000'000};

void put_sizes(YamlReader& yaml, Json& json) {
  for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "max_position_embeddings", "vocab_size"}) {
    const auto value = yaml.optional_integer(key, kSize);
    if (!value && !yaml.has(key))
      yaml.mistake("R006", "", std::string("'") + key + "' is missing",
                   "add it with the value of the model's config.json");
    json[key] = value.value_or(1);
  }
  for (const char* key :
       {"num_key_value_heads", "head_dim", "sliding_window", "original_max_position_embeddings"})
    if (const auto value = yaml.optional_integer(key, kSize)) json[key] = *value;
}

// eos_token_id is a number or, as in generation_config.json, a list of numbers.
void put_ids(YamlReader& yaml, Json& json) {
  for (const char* key : {"bos_token_id", "pad_token_id"}) {
    const auto value = yaml.optional_integer(key, kId);
    json[key] = value ? Json(*value) : Json();
  }
  if (!yaml.is_list("eos_token_id")) {
    const auto value = yaml.optional_integer("eos_token_id", kId);
    json["eos_token_id"] = value ? Json(*value) : Json();
    return;
  }
  json["eos_token_id"] = Json::array();
  for (const double id : yaml.numbers("eos_token_id")) {
    if (id < 0 || id > 1e9 || id != static_cast<double>(static_cast<int64_t>(id)))
      yaml.mistake("R004", "eos_token_id", "'eos_token_id' has a number that is no token id");
    else
      json["eos_token_id"].push_back(static_cast<int64_t>(id));
  }
}

void put_numbers(YamlReader& yaml, Json& json) {
  json["rms_norm_eps"] = yaml.number("rms_norm_eps", 1e-6, {0.0, 1.0});
  json["rope_theta"] = yaml.number("rope_theta", 10000.0, {1.0, 1e12});
  json["initializer_range"] = yaml.number("initializer_range", 0.02, {0.0, 10.0});
  for (const char* key : {"partial_rotary_factor", "query_pre_attn_scalar",
                          "attn_logit_softcapping", "final_logit_softcapping"})
    if (const auto value = yaml.optional_number(key, {0.0, 1e6})) json[key] = *value;
  for (const char* key : {"tie_word_embeddings", "attention_bias", "mlp_bias"})
    json[key] = yaml.flag(key, false);
}

void put_rope_scaling(YamlReader& yaml, Json& json) {
  if (!yaml.is_section("rope_scaling")) return;
  YamlReader section = yaml.section("rope_scaling");
  Json& scaling = json["rope_scaling"];
  scaling["rope_type"] = section.required_text("rope_type");
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"})
    if (const auto value = section.optional_number(key, {0.0, 1e6})) scaling[key] = *value;
  if (const auto value = section.optional_integer("original_max_position_embeddings", kSize))
    scaling["original_max_position_embeddings"] = *value;
}

void put_activation(YamlReader& yaml, Json& json) {
  json["hidden_act"] = yaml.text("hidden_act", "silu");
  if (const auto value = yaml.optional_text("hidden_activation"))
    json["hidden_activation"] = *value;
}

ModelFacts facts_of(YamlReader yaml, const std::string& where) {
  ModelFacts facts;
  Json json;
  facts.name = yaml.required_text("name");
  facts.repository = yaml.text("repository", "");
  const std::string architecture = yaml.required_text("architecture");
  facts.chat_template = yaml.required_text("template");
  facts.licence = yaml.text("licence", "");
  facts.commercial_use = yaml.choice("commercial_use", "", {"", "yes", "conditions", "no"});
  facts.conditions = yaml.text("conditions", "");
  facts.chinese = yaml.choice("chinese", "", {"", "strong", "fair", "weak"});
  facts.use = yaml.text("use", "");
  facts.parameters = yaml.optional_integer("parameters", kSize);
  if (const auto folder = yaml.optional_text("tokenizer")) facts.tokenizer = *folder;
  put_sizes(yaml, json);
  put_ids(yaml, json);
  put_numbers(yaml, json);
  put_rope_scaling(yaml, json);
  put_activation(yaml, json);
  yaml.finish();
  json["architectures"] = Json::array({architecture});
  if (const Family* family = find_family(architecture))
    json["model_type"] = std::string(family->model_type);
  facts.config = ModelConfig::from_json(json, where);
  return facts;
}

// The last part of a path, in small letters.
std::string folded(const std::string& path) {
  std::string name = path.substr(path.find_last_of('/') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

}  // namespace

ModelFacts read_facts(const std::filesystem::path& path) {
  return facts_of(YamlReader::from_file(path), path.string());
}

std::optional<ModelFacts> find_facts(const std::string& name) {
  const std::string wanted = folded(name);
  for (const auto& [file, text] : embedded_models()) {
    const std::string where = std::string(file) + ".yaml";
    ModelFacts facts = facts_of(YamlReader::from_string(std::string(text), where), where);
    if (wanted == folded(facts.name) ||
        (!facts.repository.empty() && wanted == folded(facts.repository)))
      return facts;
  }
  return std::nullopt;
}

int64_t count_parameters(const ModelConfig& config) {
  return count_parameters(*find_family(config.architecture)->build(config, {})).total;
}

}  // namespace slmtune::models
