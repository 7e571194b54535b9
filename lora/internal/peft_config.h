// adapter_config.json <-> LoraConfig.
#pragma once
#include <string>
#include <vector>

#include "core/json.h"
#include "lora/lora_config.h"

namespace slmtune::lora {

// Every key that PEFT itself writes (formats.md §5). `modules` are those that carry an adapter.
Json peft_config_json(const LoraConfig& config, const std::vector<std::string>& modules,
                      const std::string& base_name);

struct PeftConfig {
  LoraConfig lora;
  // False when PEFT's further filters (exclude_modules, layers_to_transform) choose modules: then
  // the tensors of the file say which modules carry an adapter.
  bool targets_are_complete = true;
};

// F060 malformed, F061 a feature that is not supported.
PeftConfig parse_peft_config(const Json& json, const std::string& where);

}  // namespace slmtune::lora
