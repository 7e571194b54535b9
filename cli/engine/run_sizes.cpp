#include "cli/engine/run_sizes.h"

#include <algorithm>

#include "core/safetensors.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

train::TrainedSizes adapter_sizes(const fs::path& folder) {
  train::TrainedSizes trained;
  const fs::path file = folder / "adapter_model.safetensors";
  if (!fs::exists(file)) return trained;  // loading it says what is wrong
  const SafetensorsFile adapter = SafetensorsFile::open(file);
  for (const auto& [name, view] : adapter.tensors()) {
    trained.tensors.push_back(view.elements());
    if (view.shape.size() != 2) continue;
    if (name.ends_with("lora_A.weight")) {
      trained.ranks += view.shape[0];
      trained.inputs += view.shape[1];
    }
    if (name.ends_with("lora_B.weight")) trained.outputs += view.shape[0];
  }
  return trained;
}

}  // namespace

train::TrainedSizes trained_sizes(const Recipe& recipe, const models::ModelConfig& config,
                                  const std::optional<fs::path>& adapter) {
  if (recipe.method == "full") return train::full_sizes(config);
  if (adapter) return adapter_sizes(*adapter);
  return train::lora_sizes(train::sizes_of(config), recipe.lora);
}

train::PlanSetting plan_setting(const Recipe& recipe, const models::ModelConfig& config,
                                const train::RowLengths& rows, int64_t value_bytes) {
  const bool is_full = recipe.method == "full";
  return {.quant = config.stored_quant == "none" ? recipe.model.quant : config.stored_quant,
          .value_bytes = value_bytes,
          .full = is_full,
          .dora = !is_full && recipe.lora.variant == "dora",
          .dropout = !is_full && recipe.lora.dropout > 0,
          .optimizer = recipe.train.optimizer,
          .loss_chunk = recipe.train.loss_chunk,
          .rows = rows};
}

train::AutoChoice auto_choice(const Recipe& recipe, const train::RowLengths& rows, bool on_cpu) {
  // A GPU wants wide matrices; on the CPU small micro-batches stay in the cache.
  const int64_t wide = on_cpu ? 1024 : 4096;
  return {.micro_batch_tokens = recipe.train.micro_batch_tokens,
          .recompute = recipe.train.recompute,
          .most_tokens = std::max(rows.longest, wide),
          .least_tokens = std::max<int64_t>(rows.longest, 16)};
}

}  // namespace slmtune::cli
