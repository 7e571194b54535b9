#include "cli/engine/finish_run.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include "cli/engine/exports.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace slmtune::cli {
namespace {

uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// The loaded snapshot, the first time that an export needs it.
class SnapshotModel {
 public:
  explicit SnapshotModel(const store::SnapshotInfo& snapshot) : path_(snapshot.path) {}

  const LoadedModel& loaded() {
    if (!loaded_) loaded_ = load_for_export(resolve_source(path_.string(), std::nullopt));
    return *loaded_;
  }

 private:
  std::filesystem::path path_;
  std::optional<LoadedModel> loaded_;
};

OrderedJson missing_exports(const Recipe& recipe, const store::SnapshotInfo& snapshot) {
  SnapshotModel model(snapshot);
  auto merged = [&] {
    const LoadedModel& loaded = model.loaded();
    return merged_model(*loaded.model, loaded.source.base, loaded.source.base, recipe.name);
  };
  auto text = [&]() -> const TextSide& { return model.loaded().text; };
  return make_exports(recipe, snapshot.number, {merged, text}, /*keep=*/true);
}

}  // namespace

OrderedJson summary_json(const Recipe& recipe, const OpenRun& run, const TrainRows& rows,
                         const TrainedModel& trained, const train::TrainResult& result,
                         const OrderedJson& metrics) {
  const train::TrainState& state = result.state;
  OrderedJson json = {{"schema", 1},           {"name", recipe.name}, {"method", recipe.method},
                      {"objective", recipe.objective},
                      {"ended", result.ended}, {"snapshot", nullptr}, {"snapshot_path", nullptr}};
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
  json["seconds"] = state.seconds;
  json["checkpoints"] = result.saves;
  json["checkpoint_seconds"] = result.save_seconds;
  json["peak_memory_bytes"] = peak_memory_bytes();
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
  if (summary.contains("valid_loss"))
    text += fmt::format(", validation loss {:.4f}", summary["valid_loss"].get<double>());
  for (const char* set : {"valid_", "train_"}) {
    const std::string key = std::string(set) + "reward_margin";
    if (!summary.contains(key)) continue;
    text += fmt::format(", reward margin {:.4f}", summary[key].get<double>());
    break;
  }
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
