#include "lora/internal/peft_config.h"
#include "core/error.h"
#include "core/text.h"
#include "lora/expression.h"

namespace slmtune::lora {
namespace {

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
  if (type != "LORA") refuse(where, "the method '" + shown(type.get<std::string>()) + "'");
  const Json bias = json.value("bias", Json("none"));
  if (bias != "none") refuse(where, "'bias' " + shown(bias.dump()));
  for (const char* key : {"modules_to_save", "lora_bias", "fan_in_fan_out",
                          "trainable_token_indices", "layer_replication", "target_parameters",
                          "use_qalora", "alora_invocation_tokens", "arrow_config", "use_bdlora"})
    if (json.contains(key) && !is_empty(json.at(key))) refuse(where, "'" + std::string(key) + "'");
  const Json start = json.value("init_lora_weights", Json(true));
  // These move part of the base weight into the adapter: it fits a changed base model only.
  for (const char* name : {"pissa", "olora", "corda", "loftq"})
    if (start.is_string() && start.get<std::string>().starts_with(name))
      refuse(where, "'init_lora_weights' " + shown(start.dump()));
}

std::vector<std::string> parse_targets(const Json& json, const std::string& where) {
  const Json value = json.value("target_modules", Json());
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    return {text == "all-linear" ? text : "re:" + text};
  }
  std::vector<std::string> targets;
  if (!value.is_array() && !value.is_null())
    malformed(where, "'target_modules' is neither a list nor a text");
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
      refuse(where, "the expression '" + shown(pattern) + "' in '" + key + "'");
    }
    patterns[pattern] = read(value, key, where);
  }
  return patterns;
}

}  // namespace

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
  const Json dora = json.value("use_dora", Json(false));
  if (!dora.is_boolean()) malformed(where, "'use_dora' is not true or false");
  if (dora.get<bool>() && rslora.get<bool>())
    refuse(where, "'use_dora' together with 'use_rslora'");
  config.lora.variant = dora.get<bool>() ? "dora" : rslora.get<bool>() ? "rslora" : "lora";
  config.lora.targets = parse_targets(json, where);
  config.lora.rank_pattern = parse_pattern<int64_t>(json, "rank_pattern", where, rank_value);
  config.lora.alpha_pattern = parse_pattern<double>(json, "alpha_pattern", where, positive);
  config.targets_are_complete = !config.lora.targets.empty();
  for (const char* key : {"exclude_modules", "layers_to_transform"})
    if (json.contains(key) && !json.at(key).is_null()) config.targets_are_complete = false;
  return config;
}

}  // namespace slmtune::lora
