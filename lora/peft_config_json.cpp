// adapter_config.json as PEFT writes it.
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
          {"use_dora", variant->use_dora},
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

}  // namespace slmtune::lora
