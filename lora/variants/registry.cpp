#include "lora/variants/registry.h"

#include <cmath>

namespace slmtune::lora {
namespace {

std::unique_ptr<models::Adapter> make_lora(const AdapterShape& shape, at::Generator random) {
  const double scale = shape.alpha / static_cast<double>(shape.rank);
  return std::make_unique<LowRankAdapter>(shape, scale, std::move(random));
}

std::unique_ptr<models::Adapter> make_rslora(const AdapterShape& shape, at::Generator random) {
  const double scale = shape.alpha / std::sqrt(static_cast<double>(shape.rank));
  return std::make_unique<LowRankAdapter>(shape, scale, std::move(random));
}

}  // namespace

std::span<const VariantRow> variants() {
  static const std::vector<VariantRow> rows = {
      {.name = "lora", .use_rslora = false, .make = make_lora},
      {.name = "rslora", .use_rslora = true, .make = make_rslora},
  };
  return rows;
}

const VariantRow* find_variant(std::string_view name) {
  for (const VariantRow& row : variants())
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace slmtune::lora
