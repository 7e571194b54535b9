#include <fmt/format.h>

#include "cli/engine/commands.h"
#include "cli/engine/finish_run.h"
#include "cli/engine/publish.h"
#include "cli/engine/run_identity.h"
#include "cli/engine/run_space.h"
#include "cli/engine/stored_rows.h"
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
  TrainRows rows = load_rows_to_look(recipe, inputs);
  int64_t steps = train::total_steps(recipe.train, train::row_count(rows.train));
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

kernels::DeviceChoice choose_device(const Recipe& recipe, const ModelInputs& inputs) {
  // Small updates of a bfloat16 weight are rounded away, so full training is float32 unless the
  // recipe insists.
  bool widen = recipe.method == "full" && recipe.model.dtype == "auto";
  return announce_device(recipe.model.device, widen ? "float32" : recipe.model.dtype,
                         inputs.config.hidden_size);
}

// Everything before the model is loaded.
struct Start {
  store::SnapshotStore store;
  kernels::DeviceChoice device;
  TrainRows rows;
  std::map<std::string, std::string> hashes;
  Recipe settled;  // what it leaves to the plan is filled in
  MemoryChoice memory;
  train::Identity identity;
  std::optional<EarlierRun> earlier;
};

// Weights of fewer bits live in the CPU's memory. G012.
kernels::DeviceChoice device_for(const Recipe& recipe, const ModelInputs& inputs) {
  const bool is_short = recipe.model.quant != "none" || inputs.config.stored_quant != "none";
  if (is_short && recipe.model.device == "cuda")
    throw UnavailableError("G012", "model.quant",
                           "weights of fewer bits are not multiplied on a GPU in this version",
                           "write 'quant: none', or 'device: cpu'");
  kernels::DeviceChoice choice = choose_device(recipe, inputs);
  if (choice.device.is_cpu() || !is_short) return choice;
  log_info("weights of fewer bits are not multiplied on a GPU in this version");
  return announce_device("cpu", recipe.model.dtype, inputs.config.hidden_size);
}

Start start(const TrainOptions& options, const Recipe& recipe, const ModelInputs& inputs) {
  store::SnapshotStore store = store::SnapshotStore::open(recipe.store);
  store.sweep();
  std::optional<EarlierRun> earlier = earlier_run(recipe, options);
  kernels::DeviceChoice device = device_for(recipe, inputs);
  check_run_space(recipe, inputs, device);
  TrainRows rows = load_stored_rows(recipe, inputs, store);
  std::map<std::string, std::string> hashes = identity_of(recipe, inputs, rows);
  Recipe settled = recipe;
  MemoryChoice memory = choose_memory(settled, inputs, rows, device, earlier);
  train::Identity identity = run_identity(settled, inputs, rows, device, hashes);
  return {store, device, std::move(rows), hashes, settled, memory, identity, earlier};
}

// The snapshot of an unfinished run that was stopped after publishing it.
std::optional<store::SnapshotInfo> published(const Start& start) {
  if (!start.earlier || start.earlier->folder.is_complete()) return std::nullopt;
  return start.store.of_run(start.earlier->folder.name());
}

// Scores, snapshot, exports.
OrderedJson hand_over(const Recipe& recipe, const ModelInputs& inputs, Start& start, OpenRun& run,
                      TrainedModel& trained, const train::TrainResult& result) {
  OrderedJson metrics = metrics_json(recipe.objective, result,
                                     score_valid(recipe, inputs, start.rows, trained));
  OrderedJson summary = summary_json(recipe, run, start.rows, trained, result, metrics);
  summary["memory"] = memory_json(start.memory, result);
  if (summary.contains("resumed_from")) metrics["resumed_from"] = summary["resumed_from"];
  const OrderedJson& counts = summary["data"]["train"];
  if (counts.contains("replay")) metrics["replay"] = counts["replay"];
  run.folder.set_outcome(summary);
  store::SnapshotInfo snapshot = publish_snapshot(start.store, recipe, inputs, start.rows, trained,
                                                  metrics, start.hashes, run.folder.name());
  keep_trained_rows(recipe, inputs, start.store, start.rows, snapshot.number);
  say_summary(summary);
  OrderedJson exports = export_snapshot(recipe, inputs, trained, snapshot);
  return complete_run(run.folder, summary, snapshot, exports);
}

OrderedJson train_and_publish(const Recipe& recipe, const ModelInputs& inputs, Start& start,
                              OpenRun run) {
  TrainedModel trained = make_trainable(recipe, inputs, start.device, run.folder.path());
  train::TrainResult result =
      train_model(start.settled, start.rows, start.memory, trained, run, start.identity);
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
    if (is_same) keep_trained_rows(recipe, inputs, begun.store, begun.rows, snapshot->number);
    OrderedJson summary = finish_published(recipe, begun.earlier->folder, *snapshot, is_same);
    if (is_same) return print_result(summary, common);
    if (!options.resume_as_new) begun.earlier.reset();
  }
  check_plan(begun.memory);
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
