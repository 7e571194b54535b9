// The table of LoRA variants. Adding one = a file in this folder, its name in names.cpp and a row
// in registry.cpp; the conformance tests run over every row.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "lora/variants/low_rank.h"

namespace slmtune::lora {

struct VariantRow {
  std::string_view name;    // recipe word lora.variant
  bool use_rslora = false;  // PEFT's field of adapter_config.json
  std::unique_ptr<models::Adapter> (*make)(const AdapterShape& shape, at::Generator random);
};

std::span<const VariantRow> variants();
// nullptr when there is none of that name.
const VariantRow* find_variant(std::string_view name);

}  // namespace slmtune::lora
