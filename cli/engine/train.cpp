#include <fmt/format.h>

#include "cli/engine/commands.h"
#include "cli/engine/finish_run.h"
#include "cli/engine/publish.h"
#include "cli/engine/run_identity.h"
#include "cli/engine/run_space.h"
#include "cli/engine/train_run.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "lora/attach.h"

namespace slmtune::cli {
namespace {

// Answers of the validation rows are short; a model that does not stop is cut here.
constexpr int64_t kAnswerTokens = 128;

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
  if (!rows.valid || !wants_answers(recipe.eval.metrics)) return {};
  std::vector<eval::Question> questions = valid_questions(rows.config, *rows.valid, inputs.text);
  if (questions.empty()) return {};
  lora::set_training(*trained.model, false);
  RunScores scores;
  scores.valid.emplace();
  eval::score_answers(*trained.model, inputs.text.tokenizer, questions, kAnswerTokens,
                      *scores.valid);
  return scores;
}

[[noreturn]] void stop_here(const OpenRun& run, const train::TrainResult& result) {
  if (result.state.step == 0) {
    log_warning("stopped before the first step; there is nothing to go on from");
  } else {
    log_warning(fmt::format("stopped after step {}; the checkpoint is in {}", result.state.step,
                            run.folder.path().string()));
    log_info("the same command goes on from there");
  }
  throw StopRequested{stop_requested()};
}

ExitCode print_result(const OrderedJson& summary, const Common& common) {
  if (common.json)
    print_json(summary);
  else
    print_line(summary["snapshot_path"].get<std::string>());
  return ExitCode::kDone;
}

kernels::DeviceChoice choose_device(const Recipe& recipe) {
  // Small updates of a bfloat16 weight are rounded away, so full training is float32 unless the
  // recipe insists.
  bool widen = recipe.method == "full" && recipe.model.dtype == "auto";
  return announce_device(recipe.model.device, widen ? "float32" : recipe.model.dtype);
}

// Everything before the model is loaded.
struct Start {
  store::SnapshotStore store;
  kernels::DeviceChoice device;
  TrainRows rows;
  std::map<std::string, std::string> hashes;
  train::Identity identity;
  std::optional<EarlierRun> earlier;
};

Start start(const TrainOptions& options, const Recipe& recipe, const ModelInputs& inputs) {
  store::SnapshotStore store = store::SnapshotStore::open(recipe.store);
  store.sweep();
  std::optional<EarlierRun> earlier = earlier_run(recipe, options);
  kernels::DeviceChoice device = choose_device(recipe);
  check_run_space(recipe, inputs, device);
  TrainRows rows = load_rows(recipe, inputs);
  std::map<std::string, std::string> hashes = identity_of(recipe, inputs, rows);
  train::Identity identity = run_identity(recipe, inputs, rows, device, hashes);
  return {store, device, std::move(rows), hashes, identity, earlier};
}

// The snapshot of an unfinished run that was stopped after publishing it.
std::optional<store::SnapshotInfo> published(const Start& start) {
  if (!start.earlier || start.earlier->folder.is_complete()) return std::nullopt;
  return start.store.of_run(start.earlier->folder.name());
}

// Scores, snapshot, exports.
OrderedJson hand_over(const Recipe& recipe, const ModelInputs& inputs, Start& start, OpenRun& run,
                      TrainedModel& trained, const train::TrainResult& result) {
  OrderedJson metrics = metrics_json(result, score_valid(recipe, inputs, start.rows, trained));
  OrderedJson summary = summary_json(recipe, run, start.rows, trained, result, metrics);
  if (summary.contains("resumed_from")) metrics["resumed_from"] = summary["resumed_from"];
  run.folder.set_outcome(summary);
  store::SnapshotInfo snapshot = publish_snapshot(start.store, recipe, inputs, start.rows, trained,
                                                  metrics, start.hashes, run.folder.name());
  say_summary(summary);
  OrderedJson exports = export_snapshot(recipe, inputs, trained, snapshot);
  return complete_run(run.folder, summary, snapshot, exports);
}

OrderedJson train_and_publish(const Recipe& recipe, const ModelInputs& inputs, Start& start,
                              OpenRun run) {
  TrainedModel trained = make_trainable(recipe, inputs, start.device, run.folder.path());
  train::TrainResult result = train_model(recipe, start.rows, trained, run, start.identity);
  if (result.ended == "stopped") stop_here(run, result);
  try {
    return hand_over(recipe, inputs, start, run, trained, result);
  } catch (const StopRequested&) {
    log_warning("stopped after training; the same command does what is left");
    throw;
  }
}

ExitCode train_in_store(const TrainOptions& options, const Recipe& recipe,
                        const ModelInputs& inputs, const Common& common) {
  const StopSignals handlers;
  Start begun = start(options, recipe, inputs);
  if (auto snapshot = published(begun)) {
    const bool is_same = train::read_state(begun.earlier->checkpoint).identity == begun.identity;
    OrderedJson summary = finish_published(recipe, begun.earlier->folder, *snapshot, is_same);
    if (is_same) return print_result(summary, common);
    if (!options.resume_as_new) begun.earlier.reset();
  }
  OpenRun run = open_run(recipe, options, begun.earlier, begun.identity);
  return print_result(train_and_publish(recipe, inputs, begun, std::move(run)), common);
}

}  // namespace

ExitCode run_train(const TrainOptions& options, const Recipe& recipe, const Program& program) {
  ModelInputs inputs = find_model_inputs(recipe);
  if (options.dry_run) return dry_run(recipe, inputs, program.common);
  return train_in_store(options, recipe, inputs, program.common);
}

}  // namespace slmtune::cli
