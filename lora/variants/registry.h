// The table of LoRA variants. Adding one = a file in this folder, its name in names.cpp and a row
// in registry.cpp; the conformance tests run over every row.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "lora/lora_config.h"
#include "lora/variants/low_rank.h"

namespace slmtune::lora {

struct VariantRow {
  std::string_view name;                        // recipe word lora.variant
  bool use_rslora = false, use_dora = false;    // PEFT's fields of adapter_config.json
  double (*scale)(double alpha, int64_t rank);  // s
};

std::span<const VariantRow> variants();
// nullptr when there is none of that name.
const VariantRow* find_variant(std::string_view name);

// A fresh adapter on `base`, as `config` says: its variant and its start.
std::unique_ptr<models::Adapter> make_adapter(const LoraConfig& config, const AdapterShape& shape,
                                              const kernels::FrozenWeight& base,
                                              const at::Generator& random);

}  // namespace slmtune::lora
