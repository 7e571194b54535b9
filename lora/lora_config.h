// The recipe's `lora:` section.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/field_table.h"

namespace slmtune::lora {

struct LoraConfig {
  std::string variant = "lora";  // row of lora/variants/registry
  int64_t rank = 16;
  double alpha = 32.0;
  double dropout = 0.0;
  // all-linear | attention | mlp | a list of module suffixes (q_proj, v_proj) | one regular
  // expression "re:…"
  std::vector<std::string> targets = {"all-linear"};
  std::string init = "default";  // default (A random, B zero) | pissa (singular vectors)
  double plus_ratio = 1.0;       // learning rate of B by that of A (LoRA+)
  // Ranks and alphas of single modules, from an adapter made elsewhere (PEFT's rank_pattern); no
  // recipe keys.
  std::map<std::string, int64_t> rank_pattern = {};
  std::map<std::string, double> alpha_pattern = {};

  static const FieldTable<LoraConfig>& fields();
};

}  // namespace slmtune::lora
