#include "cli/engine/finish_run.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "cli/engine/exports.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "kernels/cuda/cuda_device.h"

namespace slmtune::cli {
namespace {

uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// What the GPU took; null on the CPU.
OrderedJson gpu_json(const Recipe& recipe, const train::TrainResult& result) {
  const std::optional<kernels::CudaDevice>& gpu = kernels::opened_cuda_device();
  const kernels::DeviceFigures& figures = result.device;
  if (!gpu || !figures.memory_peak) return nullptr;
  const auto or_null = [](const auto& value) {
    return value ? OrderedJson(*value) : OrderedJson(nullptr);
  };
  OrderedJson json = {{"name", gpu->name},
                      {"memory_bytes", gpu->memory_bytes},
                      {"peak_bytes", *figures.memory_peak},
                      {"reserved_bytes", or_null(figures.reserved_peak)},
                      {"process_bytes", or_null(figures.process_memory)},
                      {"mean_watts", or_null(figures.mean_watts)},
                      {"celsius", or_null(figures.celsius)},
                      {"mhz", or_null(figures.core_mhz)},
                      {"kwh", or_null(result.state.gpu_kwh)}};
  if (result.state.gpu_kwh) json["cost"] = *result.state.gpu_kwh * recipe.budget.kwh_price;
  return json;
}

// A model that is loaded the first time that it is needed.
class LazyModel {
 public:
  explicit LazyModel(std::function<LoadedModel()> load) : load_(std::move(load)) {}

  const LoadedModel& loaded() {
    if (!loaded_) loaded_ = load_();
    return *loaded_;
  }

 private:
  std::function<LoadedModel()> load_;
  std::optional<LoadedModel> loaded_;
};

OrderedJson missing_exports(const Recipe& recipe, const store::SnapshotInfo& snapshot) {
  ModelSource origin = resolve_source(snapshot.path.string(), std::nullopt);
  origin.label = snapshot_label(recipe, snapshot.number);
  LazyModel to_merge([&] { return load_for_export(origin); });
  LazyModel to_ask([&] { return load_to_ask(origin, {}); });
  ExportSource source;
  source.merged = [&] {
    return merged_model(*to_merge.loaded().model, origin.base, origin.base, recipe.name);
  };
  source.text = [&]() -> const TextSide& { return to_merge.loaded().text; };
  source.model = [&]() -> models::CausalLM& { return *to_ask.loaded().model; };
  source.held_out = [&](int64_t count) {
    const LoadedModel& loaded = to_ask.loaded();
    return held_out_of_snapshot(snapshot.path, loaded.text, loaded.model->config().max_positions,
                                count);
  };
  source.origin = origin;
  return make_exports(recipe, snapshot.number, source, /*keep=*/true);
}

// ", 7.3 GiB of the GPU, 0.412 kWh"
std::string gpu_text(const OrderedJson& gpu) {
  std::string text = fmt::format(", {} of the GPU", human_bytes(gpu["peak_bytes"].get<uint64_t>()));
  if (gpu["kwh"].is_number()) text += fmt::format(", {:.3f} kWh", gpu["kwh"].get<double>());
  return text;
}

}  // namespace

OrderedJson summary_json(const Recipe& recipe, const OpenRun& run, const TrainRows& rows,
                         const TrainedModel& trained, const train::TrainResult& result,
                         const OrderedJson& metrics) {
  const train::TrainState& state = result.state;
  OrderedJson json = {{"schema", 1},
                      {"name", recipe.name},
                      {"method", recipe.method},
                      {"objective", recipe.objective},
                      {"ended", result.ended},
                      {"snapshot", nullptr},
                      {"snapshot_path", nullptr}};
  if (recipe.train.matmul != "bf16") json["matmul"] = recipe.train.matmul;
  json["steps"] = state.step;
  json["total_steps"] = result.total_steps;
  json["skipped_steps"] = state.skipped_steps;
  json["first_loss"] = result.first_loss;
  json["last_loss"] = result.last_loss;
  for (const char* key : {"valid_loss", "valid_perplexity", "exact_match", "f1", "answers"})
    if (metrics.contains(key)) json[key] = metrics[key];
  for (const auto& [name, value] : result.state.metrics) json["train_" + name] = value;
  for (const auto& [name, value] : result.state.valid_metrics) json["valid_" + name] = value;
  if (state.best_valid_loss) {
    json["best_valid_loss"] = *state.best_valid_loss;
    json["best_valid_step"] = state.best_valid_step;
  }
  json["tokens"] = state.tokens_seen;
  json["tokens_per_second"] = result.tokens_per_second;
  if (result.utilisation) {
    json["mfu"] = result.utilisation->mfu;
    json["ceiling_share"] = result.utilisation->of_ceiling;
  }
  json["seconds"] = state.seconds;
  json["checkpoints"] = result.saves;
  json["checkpoint_seconds"] = result.save_seconds;
  json["peak_memory_bytes"] = peak_memory_bytes();
  if (OrderedJson gpu = gpu_json(recipe, result); !gpu.is_null()) json["gpu"] = gpu;
  if (!state.halvings.empty()) json["halvings"] = train::halvings_json(state.halvings);
  json["parameters"] = trained.parameters.total;
  json["trained_parameters"] = trained.parameters.trainable;
  json["data"] = rows_json(rows);
  if (OrderedJson origin = resumed_from(run.folder); !origin.is_null())
    json["resumed_from"] = origin;
  return json;
}

void say_summary(const OrderedJson& summary) {
  std::string text = fmt::format(
      "trained {} of {} steps in {}, {:.0f} tokens/s, loss {:.4f} → {:.4f}",
      summary["steps"].get<int64_t>(), summary["total_steps"].get<int64_t>(),
      human_seconds(summary["seconds"].get<double>()), summary["tokens_per_second"].get<double>(),
      summary["first_loss"].get<double>(), summary["last_loss"].get<double>());
  if (summary.contains("mfu"))
    text += fmt::format(", MFU {:.0f} %", 100 * summary["mfu"].get<double>());
  if (summary.contains("valid_loss"))
    text += fmt::format(", validation loss {:.4f}", summary["valid_loss"].get<double>());
  for (const char* set : {"valid_", "train_"}) {
    const std::string key = std::string(set) + "reward_margin";
    if (!summary.contains(key)) continue;
    text += fmt::format(", reward margin {:.4f}", summary[key].get<double>());
    break;
  }
  if (summary.contains("gpu")) text += gpu_text(summary["gpu"]);
  if (summary.contains("exact_match"))
    text +=
        fmt::format(", exact match {:.1f} %, F1 {:.1f} %",
                    100 * summary["exact_match"].get<double>(), 100 * summary["f1"].get<double>());
  log_info(text);
  if (summary["ended"] == "max_minutes")
    log_info("stopped by train.max_minutes before the last step");
}

OrderedJson complete_run(train::RunFolder& run, OrderedJson summary,
                         const store::SnapshotInfo& snapshot, const OrderedJson& exports) {
  summary["snapshot"] = snapshot.number;
  summary["snapshot_path"] = snapshot.path.string();
  summary["exports"] = exports;
  run.finish(summary);
  summary["run_path"] = run.path().string();
  return summary;
}

OrderedJson finish_published(const Recipe& recipe, train::RunFolder& run,
                             const store::SnapshotInfo& snapshot, bool must_export) {
  log_info(fmt::format("run {} is snapshot #{} already; what it left undone is done now",
                       run.name(), snapshot.number));
  OrderedJson summary = run.outcome();
  if (summary.is_null())
    summary = {{"schema", 1},
               {"name", snapshot.manifest.name},
               {"method", snapshot.manifest.method},
               {"ended", "done"},
               {"snapshot", nullptr},
               {"snapshot_path", nullptr},
               {"metrics", snapshot.manifest.metrics}};
  OrderedJson exports = OrderedJson::array();
  try {
    exports = missing_exports(recipe, snapshot);
  } catch (const Error& error) {
    if (must_export) throw;
    log_warning(fmt::format("snapshot #{} has no exports: {}", snapshot.number,
                            error.diagnostics().front().what));
  }
  return complete_run(run, std::move(summary), snapshot, exports);
}

}  // namespace slmtune::cli
