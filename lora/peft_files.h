// PEFT adapter folders: adapter_model.safetensors + adapter_config.json
// (https://github.com/huggingface/peft, docs/source/developer_guides/checkpoint.md).
#pragma once
#include <filesystem>
#include <string>

#include "lora/lora_config.h"
#include "models/causal_lm.h"

namespace slmtune::lora {

// Writes both files into an existing folder, with `init: pissa` as a plain LoRA of twice the rank.
// Tensors float32, keys base_model.model.<module>.lora_A.weight.
void save_peft(models::CausalLM& model, const LoraConfig& config, const std::string& base_name,
               const std::filesystem::path& folder);

// Attaches the adapter of `folder` and fills it. Handles rank_pattern/alpha_pattern, use_rslora,
// target lists and regex. N001/N003 missing; F015 only a pickle; F060 config malformed; F061 feature not supported
// (named: modules_to_save, bias …); F062 tensor does not fit this model (names both shapes,
// "is this the right base model?"); F063 missing or extra tensors.
LoraConfig load_peft(models::CausalLM& model, const std::filesystem::path& folder);

}  // namespace slmtune::lora
