// Putting adapters on a model, and taking them off.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "lora/lora_config.h"
#include "models/causal_lm.h"

namespace slmtune::lora {

// Freezes every parameter and puts a fresh adapter of the variant on each target linear: A
// kaiming-uniform(√5) as PEFT's default, B zero, both float32, drawn from `seed` in module order;
// with `init: pissa` from the singular vectors of the weight.
// Returns the module names. UserError R060 when a target matches nothing (lists the module names of
// layer 0), R061 bad regular expression.
std::vector<std::string> attach(models::CausalLM& model, const LoraConfig& config, uint64_t seed);

// Adapters train (dropout on) or not.
void set_training(models::CausalLM& model, bool training);

// Runs the model with or without its adapters.
void use_adapters(models::CausalLM& model, bool use);

}  // namespace slmtune::lora
