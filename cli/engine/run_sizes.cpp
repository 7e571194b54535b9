#include "cli/engine/run_sizes.h"

#include <algorithm>

#include "core/safetensors.h"
#include "train/graph_shape.h"

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

namespace {

// As objective sft decides for the loaded model.
bool records_steps(const Recipe& recipe, const models::ModelConfig& config) {
  if (recipe.objective != "sft" || recipe.train.graphs != "auto") return false;
  return train::records_steps(
      {.on_gpu = true,
       .parameters = train::sizes_of(config).parameters(),
       .draws_random = recipe.train.neftune_alpha > 0,
       .all_fused =
           recipe.method == "lora" && recipe.lora.variant != "dora" && recipe.lora.dropout == 0,
       .turns_by_length = config.rope.type == "longrope" || config.rope.type == "dynamic"});
}

// Of a value in the files, as config.json says; models are published in 16 bits.
int64_t file_value_bytes(const models::ModelConfig& config) {
  for (const char* key : {"dtype", "torch_dtype"})
    if (const auto found = config.json.find(key); found != config.json.end())
      return *found == "float32" ? 4 : 2;
  return 2;
}

}  // namespace

train::PlanSetting plan_setting(const Recipe& recipe, const models::ModelConfig& config,
                                const train::RowLengths& rows, int64_t value_bytes) {
  const bool is_full = recipe.method == "full";
  return {.quant = config.stored_quant == "none" ? recipe.model.quant : config.stored_quant,
          .value_bytes = value_bytes,
          .table_bytes = file_value_bytes(config),
          .full = is_full,
          .dora = !is_full && recipe.lora.variant == "dora",
          .dropout = !is_full && recipe.lora.dropout > 0,
          .optimizer = recipe.train.optimizer,
          .offload = recipe.train.offload == "inputs",
          .recorded = records_steps(recipe, config),
          .loss_chunk = recipe.train.loss_chunk,
          .rows = rows};
}

train::WorkShape work_shape(const Recipe& recipe, const train::PlanSetting& setting,
                            double mean_tokens, double label_share, double epochs) {
  train::WorkShape shape{.row_tokens = mean_tokens,
                         .label_share = label_share,
                         .recompute = setting.recompute,
                         .whole = setting.whole,
                         .full = setting.full};
  // The reference is measured once; kto also measures how far the model has moved, in every step.
  if (recipe.objective == "dpo") shape.other_passes = 1.0 / std::max(1.0, epochs);
  if (recipe.objective == "kto") shape.other_passes = 1.0 + 2.0 / std::max(1.0, epochs);
  return shape;
}

train::AutoChoice auto_choice(const Recipe& recipe, const train::RowLengths& rows, bool on_cpu) {
  // On the CPU small micro-batches stay in the cache. On a GPU tall matrices cost least, up to some
  // thousand rows; more tokens than a step has are never in one.
  constexpr int64_t kCpu = 1024, kGpu = 16'384;
  const int64_t wide = on_cpu ? kCpu : std::clamp((rows.step + kCpu - 1) / kCpu * kCpu, kCpu, kGpu);
  return {.micro_batch_tokens = recipe.train.micro_batch_tokens,
          .recompute = recipe.train.recompute,
          .whole = recipe.train.recompute_whole,
          .most_tokens = std::max(rows.longest, wide),
          .least_tokens = std::max<int64_t>(rows.longest, 16),
          .may_offload = recipe.train.offload == "auto"};
}

}  // namespace slmtune::cli
