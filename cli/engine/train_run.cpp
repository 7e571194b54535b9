#include "cli/engine/train_run.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/log.h"
#include "core/seed.h"
#include "core/stop.h"
#include "lora/attach.h"
#include "lora/peft_files.h"
#include "train/dpo.h"
#include "train/kto.h"
#include "train/sft.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;

// A recipe that names other sizes than the adapter it continues would be followed in part only.
void check_continued(const Recipe& recipe, const lora::LoraConfig& found) {
  if (!recipe.has_lora_section) return;
  auto differs = [](const std::string& key, const auto& wanted, const auto& has) {
    throw UserError(
        "R009", "lora." + key,
        fmt::format("the recipe says {}, but the adapter that is continued has {}", wanted, has),
        "remove section 'lora' to keep the adapter's settings");
  };
  if (recipe.lora.variant != found.variant) differs("variant", recipe.lora.variant, found.variant);
  if (recipe.lora.rank != found.rank) differs("rank", recipe.lora.rank, found.rank);
  if (recipe.lora.alpha != found.alpha) differs("alpha", recipe.lora.alpha, found.alpha);
  if (recipe.lora.init != found.init) differs("init", recipe.lora.init, found.init);
}

std::unique_ptr<models::CausalLM> load_base(const Recipe& recipe, const ModelInputs& inputs,
                                            const models::LoadOptions& options,
                                            TrainedModel& trained, const fs::path& run) {
  trained.folder = inputs.base;
  if (!inputs.facts) return models::load_model(inputs.base, options);
  if (!run.empty()) {
    trained.folder = run / "model";
    write_init_folder(*inputs.facts, trained.folder);
  }
  return models::init_model(inputs.config, derive_seed(recipe.train.seed, "init"), options);
}

void set_memory(models::CausalLM& model, const train::PlanSetting& setting) {
  model.recompute_layers = setting.recompute;
  model.recompute_whole = setting.whole;
  model.offload_inputs = setting.offload;
  model.mlp_tile = train::mlp_tile(setting);
}

}  // namespace

TrainedModel make_trainable(const Recipe& recipe, const ModelInputs& inputs,
                            const kernels::DeviceChoice& device, const fs::path& run) {
  kernels::seed_everything(recipe.train.seed);
  TrainedModel trained;
  trained.model =
      load_base(recipe, inputs, {device.dtype, device.device, recipe.model.quant}, trained, run);
  models::CausalLM& model = *trained.model;
  if (recipe.method == "full") {
    model.for_each_parameter(
        [](const std::string&, at::Tensor& tensor) { tensor.requires_grad_(true); });
  } else if (inputs.adapter) {
    trained.lora = lora::load_peft(model, *inputs.adapter);
    check_continued(recipe, *trained.lora);
  } else {
    trained.lora = recipe.lora;
    lora::attach(model, recipe.lora, recipe.train.seed);
  }
  trained.parameters = models::count_parameters(model);
  auto [total, trainable] = trained.parameters;
  log_info(fmt::format(
      "model: {} parameters, {} trained ({:.2f} %)", total, trainable,
      100.0 * static_cast<double>(trainable) / static_cast<double>(std::max<int64_t>(total, 1))));
  return trained;
}

train::TrainResult train_model(const Recipe& recipe, const TrainRows& rows,
                               const MemoryChoice& memory, TrainedModel& trained,
                               OpenRun* run, const train::Identity& identity,
                               const train::UtilisationMeter* meter,
                               collective::Collective& ranks) {
  train::TrainJob job;
  job.ranks = &ranks;
  job.model = trained.model.get();
  job.train = &rows.train;
  job.valid = rows.valid ? &*rows.valid : nullptr;
  job.config = recipe.train;
  job.config.plus_ratio = recipe.lora.plus_ratio;
  job.eval = recipe.eval;
  job.pack = rows.config.pack;
  if (run) {
    job.run = &run->folder;
    job.resume_from = run->resume_from;
    job.start_from = run->start_from;
  }
  job.identity = identity;
  job.should_stop = [] { return stop_requested() != 0; };
  if (wants_rehearsal(memory, recipe))
    job.on_rehearsal = [&memory](const train::Rehearsal& rehearsal) {
      check_rehearsal(memory, rehearsal);
    };
  job.meter = meter;
  set_memory(*trained.model, memory.setting);
  trained.model->matmul = kernels::matmul_of(recipe.train.matmul);
  const StopDeferred own_way;  // the loop saves a checkpoint first
  try {
    if (recipe.objective == "dpo") return train::run_dpo(job);
    if (recipe.objective == "kto") return train::run_kto(job);
    return train::run_sft(job);
  } catch (const UserError& error) {
    // A diverged run is over: going on from its checkpoint with the same settings would only
    // diverge again.
    if (error.code() == "T001" && run) run->folder.finish({{"schema", 1}, {"ended", "diverged"}});
    throw;
  }
}

}  // namespace slmtune::cli
