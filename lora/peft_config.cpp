#include <cmath>
#include <set>

#include "core/error.h"
#include "lora/internal/peft_config.h"
#include "lora/targets.h"
#include "lora/variants/registry.h"

namespace slmtune::lora {
namespace {

// The version of PEFT whose layout is written and tested against.
constexpr const char* kPeftVersion = "0.21.0";

std::string last_part(const std::string& module) {
  return module.substr(module.rfind('.') + 1);
}

// One regular expression stays one; everything else becomes an explicit list, which every PEFT
// version reads alike.
Json target_modules(const LoraConfig& config, const std::vector<std::string>& modules) {
  if (config.targets.size() == 1 && config.targets.front().starts_with("re:"))
    return config.targets.front().substr(3);
  std::set<std::string> names;
  for (const std::string& target : config.targets) {
    const bool is_word = target == "all-linear" || target == "attention" || target == "mlp";
    if (!is_word && !target.starts_with("re:")) {
      names.insert(target);
      continue;
    }
    Targets rule({target}, "lora.targets");
    for (const std::string& module : modules)
      if (rule.matches(module)) names.insert(is_word ? last_part(module) : module);
  }
  return names;
}

Json whole_or_fraction(double value) {
  const bool whole = std::floor(value) == value && std::abs(value) < 9e15;
  return whole ? Json(static_cast<int64_t>(value)) : Json(value);
}

bool is_empty(const Json& value) {
  return value.is_null() || value == false || value == "" ||
         ((value.is_array() || value.is_object()) && value.empty());
}

[[noreturn]] void refuse(const std::string& where, const std::string& feature) {
  throw FileFormatError("F061", where, "the adapter uses " + feature + ", which is not supported",
                        "merge it into its base model with PEFT and use the merged model");
}

[[noreturn]] void malformed(const std::string& where, const std::string& what) {
  throw FileFormatError("F060", where, what, "is it the adapter_config.json that PEFT wrote?");
}

void refuse_unsupported(const Json& json, const std::string& where) {
  const Json type = json.value("peft_type", Json());
  if (!type.is_string()) malformed(where, "'peft_type' is missing");
  if (type != "LORA") refuse(where, "the method '" + type.get<std::string>() + "'");
  const Json bias = json.value("bias", Json("none"));
  if (bias != "none") refuse(where, "'bias' " + bias.dump());
  for (const char* key : {"use_dora", "modules_to_save", "lora_bias", "fan_in_fan_out",
                          "trainable_token_indices", "layer_replication", "target_parameters",
                          "use_qalora", "alora_invocation_tokens", "arrow_config", "use_bdlora"})
    if (json.contains(key) && !is_empty(json.at(key))) refuse(where, "'" + std::string(key) + "'");
  const Json start = json.value("init_lora_weights", Json(true));
  // These move part of the base weight into the adapter: it fits a changed base model only.
  for (const char* name : {"pissa", "olora", "corda", "loftq"})
    if (start.is_string() && start.get<std::string>().starts_with(name))
      refuse(where, "'init_lora_weights' " + start.dump());
}

std::vector<std::string> parse_targets(const Json& json, const std::string& where) {
  const Json value = json.value("target_modules", Json());
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    return {text == "all-linear" ? text : "re:" + text};
  }
  std::vector<std::string> targets;
  if (value.is_array())
    for (const Json& item : value) {
      if (!item.is_string()) malformed(where, "'target_modules' has an entry that is no text");
      targets.push_back(item.get<std::string>());
    }
  return targets;
}

double positive(const Json& json, const std::string& key, const std::string& where) {
  if (!json.is_number() || !(json.get<double>() > 0.0))
    malformed(where, "'" + key + "' is not a number above 0");
  return json.get<double>();
}

int64_t rank_value(const Json& json, const std::string& key, const std::string& where) {
  constexpr int64_t kLargestRank = 1 << 16;
  if (!json.is_number_integer() || json.get<int64_t>() < 1 || json.get<int64_t>() > kLargestRank)
    malformed(where, "'" + key + "' is not a whole number from 1 to 65536");
  return json.get<int64_t>();
}

template <typename Value, typename Read>
std::map<std::string, Value> parse_pattern(const Json& json, const std::string& key,
                                           const std::string& where, Read read) {
  std::map<std::string, Value> patterns;
  if (!json.contains(key) || json.at(key).is_null()) return patterns;
  if (!json.at(key).is_object()) malformed(where, "'" + key + "' is not an object");
  for (const auto& [pattern, value] : json.at(key).items()) {
    try {
      Expression(pattern, where);
    } catch (const UserError&) {
      refuse(where, "the expression '" + pattern + "' in '" + key + "'");
    }
    patterns[pattern] = read(value, key, where);
  }
  return patterns;
}

}  // namespace

Json peft_config_json(const LoraConfig& config, const std::vector<std::string>& modules,
                      const std::string& base_name) {
  const VariantRow* variant = find_variant(config.variant);
  SLMTUNE_ASSERT(variant != nullptr, "unknown LoRA variant");
  Json alpha_pattern = Json::object();
  for (const auto& [key, alpha] : config.alpha_pattern)
    alpha_pattern[key] = whole_or_fraction(alpha);
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", base_name},
          {"revision", nullptr},
          {"inference_mode", true},
          {"r", config.rank},
          {"lora_alpha", whole_or_fraction(config.alpha)},
          {"lora_dropout", config.dropout},
          {"target_modules", target_modules(config, modules)},
          {"exclude_modules", nullptr},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"use_rslora", variant->use_rslora},
          {"use_dora", false},
          {"modules_to_save", nullptr},
          {"init_lora_weights", true},
          {"layers_to_transform", nullptr},
          {"layers_pattern", nullptr},
          {"rank_pattern", config.rank_pattern},
          {"alpha_pattern", alpha_pattern},
          {"auto_mapping", nullptr},
          {"megatron_config", nullptr},
          {"megatron_core", "megatron.core"},
          {"loftq_config", Json::object()},
          {"layer_replication", nullptr},
          {"lora_bias", false},
          {"trainable_token_indices", nullptr},
          {"peft_version", kPeftVersion}};
}

PeftConfig parse_peft_config(const Json& json, const std::string& where) {
  if (!json.is_object()) malformed(where, "the file is not a JSON object");
  refuse_unsupported(json, where);
  PeftConfig config;
  config.lora.rank = rank_value(json.value("r", Json(8)), "r", where);
  config.lora.alpha = positive(json.value("lora_alpha", Json(8)), "lora_alpha", where);
  const Json dropout = json.value("lora_dropout", Json(0.0));
  if (!dropout.is_number() || !(dropout.get<double>() >= 0.0 && dropout.get<double>() < 1.0))
    malformed(where, "'lora_dropout' is not a number from 0 to below 1");
  config.lora.dropout = dropout.get<double>();
  const Json rslora = json.value("use_rslora", Json(false));
  if (!rslora.is_boolean()) malformed(where, "'use_rslora' is not true or false");
  config.lora.variant = rslora.get<bool>() ? "rslora" : "lora";
  config.lora.targets = parse_targets(json, where);
  config.lora.rank_pattern = parse_pattern<int64_t>(json, "rank_pattern", where, rank_value);
  config.lora.alpha_pattern = parse_pattern<double>(json, "alpha_pattern", where, positive);
  config.targets_are_complete = !config.lora.targets.empty();
  for (const char* key : {"exclude_modules", "layers_to_transform"})
    if (json.contains(key) && !json.at(key).is_null()) config.targets_are_complete = false;
  return config;
}

}  // namespace slmtune::lora
