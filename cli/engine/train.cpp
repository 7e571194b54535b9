#include <fmt/format.h>
#include <sys/resource.h>

#include "cli/engine/commands.h"
#include "cli/engine/publish.h"
#include "cli/engine/train_run.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/file_lock.h"
#include "core/log.h"
#include "core/text.h"
#include "lora/attach.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;
using Identity = std::map<std::string, std::string>;

// Answers of the validation rows are short; a model that does not stop is cut here.
constexpr int64_t kAnswerTokens = 128;

uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

OrderedJson rows_json(const TrainRows& rows) {
  OrderedJson json = {{"train", counts_json(rows.train)}};
  if (rows.valid) json["valid"] = counts_json(*rows.valid);
  return json;
}

ExitCode dry_run(const Recipe& recipe, const ModelInputs& inputs, const Common& common) {
  TrainRows rows = load_rows(recipe, inputs);
  int64_t steps = train::total_steps(recipe.train, static_cast<int64_t>(rows.train.rows.size()));
  if (common.json) {
    print_json({{"schema", 1},
                {"dry_run", true},
                {"name", recipe.name},
                {"steps", steps},
                {"data", rows_json(rows)}});
  } else {
    print_line(fmt::format("{}: {} steps of {} rows; nothing was written", recipe.name, steps,
                           recipe.train.batch_rows));
  }
  return ExitCode::kDone;
}

RunScores score_valid(const Recipe& recipe, const ModelInputs& inputs, const TrainRows& rows,
                      TrainedModel& trained) {
  std::vector<eval::Question> questions = valid_questions(recipe, inputs, rows);
  if (questions.empty()) return {};
  lora::set_training(*trained.model, false);
  RunScores scores;
  scores.valid.emplace();
  eval::score_answers(*trained.model, inputs.text.tokenizer, questions, kAnswerTokens,
                      *scores.valid);
  return scores;
}

OrderedJson summary_json(const Recipe& recipe, const TrainRows& rows, const TrainedModel& trained,
                         const train::SftResult& result, const OrderedJson& metrics,
                         const store::SnapshotInfo& snapshot) {
  OrderedJson json = {
      {"schema", 1}, {"name", recipe.name}, {"method", recipe.method}, {"ended", result.ended}};
  json["snapshot"] = snapshot.number;
  json["snapshot_path"] = snapshot.path.string();
  json["steps"] = result.state.step;
  json["total_steps"] = result.total_steps;
  json["skipped_steps"] = result.state.skipped_steps;
  json["first_loss"] = result.first_loss;
  json["last_loss"] = result.last_loss;
  for (const char* key : {"valid_loss", "valid_perplexity", "exact_match", "f1", "answers"})
    if (metrics.contains(key)) json[key] = metrics[key];
  json["tokens"] = result.state.tokens_seen;
  json["tokens_per_second"] = result.tokens_per_second;
  json["seconds"] = result.state.seconds;
  json["peak_memory_bytes"] = peak_memory_bytes();
  json["parameters"] = trained.parameters.total;
  json["trained_parameters"] = trained.parameters.trainable;
  json["data"] = rows_json(rows);
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
  if (summary.contains("exact_match"))
    text +=
        fmt::format(", exact match {:.1f} %, F1 {:.1f} %",
                    100 * summary["exact_match"].get<double>(), 100 * summary["f1"].get<double>());
  log_info(text);
  if (summary["ended"] == "max_minutes")
    log_info("stopped by train.max_minutes before the last step");
}

[[noreturn]] void stop_here(const OpenRun& run, const train::SftResult& result) {
  if (result.state.step == 0) {
    log_warning("stopped before the first step; there is nothing to go on from");
  } else {
    log_warning(fmt::format("stopped after step {}; the checkpoint is in {}", result.state.step,
                            run.folder.path().string()));
    log_info("the same command goes on from there");
  }
  die_by_signal(stop_signal());
}

ExitCode train_in_store(const TrainOptions& options, const Program& program, const Recipe& recipe,
                        const ModelInputs& inputs) {
  // Small updates of a bfloat16 weight are rounded away, so full training is float32 unless the
  // recipe insists.
  bool widen = recipe.method == "full" && recipe.model.dtype == "auto";
  kernels::DeviceChoice device =
      announce_device(recipe.model.device, widen ? "float32" : recipe.model.dtype);
  store::SnapshotStore store = store::SnapshotStore::create_or_open(recipe.store);
  FileLock lock(store.lock_path(), program.line);
  store.sweep();
  TrainRows rows = load_rows(recipe, inputs);
  Identity identity = identity_of(recipe, inputs, rows);
  OpenRun run = open_run(recipe, recipe_text(recipe), options.resume, identity);
  TrainedModel trained = make_trainable(recipe, inputs, device, run.folder.path());
  train::SftResult result = train_model(recipe, rows, trained, run, identity);
  if (result.ended == "stopped") stop_here(run, result);
  OrderedJson metrics = metrics_json(result, score_valid(recipe, inputs, rows, trained));
  store::SnapshotInfo snapshot =
      publish_snapshot(store, recipe, inputs, rows, trained, metrics, identity);
  OrderedJson summary = summary_json(recipe, rows, trained, result, metrics, snapshot);
  run.folder.finish(summary);
  say_summary(summary);
  summary["exports"] = export_snapshot(recipe, inputs, trained, snapshot);
  summary["run_path"] = run.folder.path().string();
  if (program.common.json)
    print_json(summary);
  else
    print_line(snapshot.path.string());
  return ExitCode::kDone;
}

}  // namespace

ExitCode run_train(const TrainOptions& options, const Recipe& recipe, const Program& program) {
  ModelInputs inputs = find_model_inputs(recipe);
  if (options.dry_run) return dry_run(recipe, inputs, program.common);
  return train_in_store(options, program, recipe, inputs);
}

}  // namespace slmtune::cli
