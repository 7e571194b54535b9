#include "lora/variants/registry.h"

#include <cmath>

#include "core/error.h"
#include "lora/variants/dora.h"
#include "lora/variants/principal.h"

namespace slmtune::lora {
namespace {

double by_rank(double alpha, int64_t rank) {
  return alpha / static_cast<double>(rank);
}

double by_root_of_rank(double alpha, int64_t rank) {
  return alpha / std::sqrt(static_cast<double>(rank));
}

}  // namespace

std::span<const VariantRow> variants() {
  static const std::vector<VariantRow> rows = {
      {.name = "lora", .scale = by_rank},
      {.name = "rslora", .use_rslora = true, .scale = by_root_of_rank},
      {.name = "dora", .use_dora = true, .scale = by_rank},
  };
  return rows;
}

const VariantRow* find_variant(std::string_view name) {
  for (const VariantRow& row : variants())
    if (row.name == name) return &row;
  return nullptr;
}

std::unique_ptr<models::Adapter> make_adapter(const LoraConfig& config, const AdapterShape& shape,
                                              const kernels::FrozenWeight& base,
                                              const at::Generator& random) {
  const VariantRow* variant = find_variant(config.variant);
  SLMTUNE_ASSERT(variant != nullptr, "unknown LoRA variant");
  const bool is_principal = config.init == "pissa";
  SLMTUNE_ASSERT(!(is_principal && variant->use_dora), "the recipe reader refuses DoRA with PiSSA");
  const double scale = variant->scale(shape.alpha, shape.rank);
  if (variant->use_dora) return std::make_unique<DoraAdapter>(shape, scale, base, random);
  if (is_principal) return std::make_unique<PrincipalAdapter>(shape, scale, base, random);
  return std::make_unique<LowRankAdapter>(shape, scale, random);
}

}  // namespace slmtune::lora
