#include <fmt/format.h>

#include <csignal>

#include "cli/engine/calibration.h"
#include "cli/engine/commands.h"
#include "cli/engine/finish_run.h"
#include "cli/engine/publish.h"
#include "cli/engine/ranks.h"
#include "cli/engine/run_identity.h"
#include "cli/engine/run_room.h"
#include "cli/engine/run_space.h"
#include "cli/engine/stored_rows.h"
#include "cli/engine/train_run.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "core/error.h"
#include "core/log.h"
#include "core/stop.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/huge_pages.h"
#include "kernels/matmul/matmul.h"
#include "lora/attach.h"

namespace slmtune::cli {
namespace {

// Answers of the validation rows are short; a model that does not stop is cut here.
constexpr int64_t kScoredTokens = 128;

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
  eval::score_answers(*trained.model, inputs.text.tokenizer, questions, kScoredTokens,
                      *scores.valid);
  return scores;
}

// Of several ranks only one may have got the signal.
[[noreturn]] void throw_stopped() {
  const int signal = stop_requested();
  throw StopRequested{signal != 0 ? signal : SIGTERM};
}

[[noreturn]] void stop_here(const OpenRun& run, const train::TrainResult& result) {
  if (result.state.step == 0) {
    log_warning("stopped before the first step; there is nothing to go on from");
  } else {
    log_warning(fmt::format("stopped after step {}; the checkpoint is in {}", result.state.step,
                            run.folder.path().string()));
    log_info("the same command goes on from there");
  }
  throw_stopped();
}

ExitCode print_result(const OrderedJson& summary, const Common& common) {
  if (common.json)
    print_json(summary);
  else
    print_line(summary["snapshot_path"].get<std::string>());
  return ExitCode::kDone;
}

kernels::DeviceChoice device_for(const TrainOptions& options, const Recipe& recipe,
                                 const ModelInputs& inputs) {
  // Small updates of a bfloat16 weight are rounded away, so full training is float32 unless the
  // recipe insists.
  const bool widen = recipe.method == "full" && recipe.model.dtype == "auto";
  const std::string& flag = options.device.device;  // may name a GPU, which a recipe does not
  return announce_device(flag.empty() ? recipe.model.device : flag,
                         widen ? "float32" : recipe.model.dtype, inputs.config.hidden_size);
}

// G015 when the device has not the 8-bit products that the recipe asks for.
void check_products(const Recipe& recipe, const kernels::DeviceChoice& device) {
  const auto& gpu = kernels::opened_cuda_device();
  const bool on_gpu = !device.device.is_cpu() && gpu;
  kernels::check_matmul(kernels::matmul_of(recipe.train.matmul), on_gpu ? gpu->capability : 0,
                        on_gpu ? gpu->name : "the CPU");
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
  std::optional<train::MachineRates> rates;  // measured before the model is loaded
};

// What a run must have in common with its checkpoint.
train::Identity identity_with(const Recipe& settled, const ModelInputs& inputs,
                              const TrainRows& rows, const kernels::DeviceChoice& device,
                              const std::map<std::string, std::string>& hashes,
                              const collective::Launch& launch) {
  train::Identity identity = run_identity(settled, inputs, rows, device, hashes);
  if (launch.several()) identity["kernel.ranks"] = std::to_string(launch.size);
  return identity;
}

// Fills in what the recipe leaves to the plan, for the memory that is free at the moment.
void settle(Start& start, const Recipe& recipe, const ModelInputs& inputs,
            const collective::Launch& launch) {
  start.settled = recipe;
  start.memory = choose_memory(start.settled, inputs, start.rows, start.device, start.earlier);
  start.identity =
      identity_with(start.settled, inputs, start.rows, start.device, start.hashes, launch);
}

Start start(const TrainOptions& options, const Recipe& recipe, const ModelInputs& inputs,
            Ranks& ranks) {
  store::SnapshotStore store = store::SnapshotStore::open(recipe.store);
  store.sweep();
  std::optional<EarlierRun> earlier = earlier_run(recipe, options);
  kernels::DeviceChoice device = device_for(options, recipe, inputs);
  check_products(recipe, device);
  check_run_space(recipe, inputs, device);
  ranks.join(!device.device.is_cpu());
  TrainRows rows = load_stored_rows(recipe, inputs, store);
  std::map<std::string, std::string> hashes = identity_of(recipe, inputs, rows);
  Start begun{store, device, std::move(rows), hashes, {}, {}, {}, earlier, {}};
  settle(begun, recipe, inputs, ranks.launch());
  return begun;
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
  summary["machine"] = rates_json(start.rates);
  if (summary.contains("matmul")) metrics["matmul"] = summary["matmul"];
  if (summary.contains("resumed_from")) metrics["resumed_from"] = summary["resumed_from"];
  const OrderedJson& counts = summary["data"]["train"];
  if (counts.contains("replay")) metrics["replay"] = counts["replay"];
  run.folder.set_outcome(summary);
  store::SnapshotInfo snapshot = publish_snapshot(start.store, recipe, inputs, start.rows, trained,
                                                  metrics, start.hashes, run.folder.name());
  keep_trained_rows(recipe, inputs, start.store, start.rows, snapshot.number);
  say_summary(summary);
  OrderedJson exports = export_snapshot(recipe, inputs, start.rows, trained, snapshot);
  return complete_run(run.folder, summary, snapshot, exports);
}

OrderedJson train_and_publish(const Recipe& recipe, const ModelInputs& inputs, Start& start,
                              OpenRun run, Ranks& ranks) {
  RunWork work = run_work(start.settled, start.rows, start.memory);
  work.devices = ranks.launch().size;
  start.rates = calibrate(work, start.memory, start.device);
  const auto meter = make_meter(work, start.memory, start.rates);
  TrainedModel trained = make_trainable(recipe, inputs, start.device, run.folder.path());
  trained.model->joins_low_rank = start.rates && start.rates->joins_low_rank;
  train::TrainResult result = train_model(start.settled, start.rows, start.memory, trained, &run,
                                          start.identity, meter ? &*meter : nullptr, ranks.all());
  ranks.leave();
  if (result.ended == "stopped") stop_here(run, result);
  try {
    return hand_over(recipe, inputs, start, run, trained, result);
  } catch (const StopRequested&) {
    log_warning("stopped after training; the same command does what is left");
    throw;
  }
}

ExitCode train_in_store(const TrainOptions& options, const Recipe& recipe,
                        const ModelInputs& inputs, const Program& program, Ranks& ranks,
                        RunRoom& room) {
  Start begun = start(options, recipe, inputs, ranks);
  if (auto snapshot = published(begun)) {
    const bool is_same = train::read_state(begun.earlier->checkpoint).identity == begun.identity;
    if (is_same) keep_trained_rows(recipe, inputs, begun.store, begun.rows, snapshot->number);
    OrderedJson summary = finish_published(recipe, begun.earlier->folder, *snapshot, is_same);
    if (is_same) {
      ranks.tell(std::nullopt);
      ranks.leave();
      return print_result(summary, program.common);
    }
    if (!options.resume_as_new) begun.earlier.reset();
  }
  if (room.make(recipe, begun.memory, begun.device, program.make_room))
    settle(begun, recipe, inputs, ranks.launch());
  check_plan(begun.memory);
  OpenRun run = open_run(recipe, options, begun.earlier, begun.identity);
  ranks.tell(begun.identity);
  return print_result(train_and_publish(recipe, inputs, begun, std::move(run), ranks),
                      program.common);
}

// As another rank than the first.
ExitCode train_along(const TrainOptions& options, const Recipe& recipe, const ModelInputs& inputs,
                     Ranks& ranks) {
  const kernels::DeviceChoice device = device_for(options, recipe, inputs);
  ranks.join(!device.device.is_cpu());
  const TrainRows rows = load_rows_along(recipe, inputs);
  const std::optional<train::Identity> leaders = ranks.hear();
  if (!leaders) {
    ranks.leave();
    return ExitCode::kDone;
  }
  Recipe settled = recipe;
  take_choices(settled, *leaders);
  const MemoryChoice memory = choose_memory(settled, inputs, rows, device, std::nullopt);
  const train::Identity identity = identity_with(
      settled, inputs, rows, device, identity_of(recipe, inputs, rows), ranks.launch());
  check_same_run(ranks.launch().rank, *leaders, identity);
  check_plan(memory);
  TrainedModel trained = make_trainable(recipe, inputs, device, {});
  const train::TrainResult result =
      train_model(settled, rows, memory, trained, nullptr, identity, nullptr, ranks.all());
  ranks.leave();
  if (result.ended == "stopped") throw_stopped();
  return ExitCode::kDone;
}

}  // namespace

ExitCode run_train(const TrainOptions& options, const Recipe& written, const Program& program) {
  kernels::leave_huge_pages_for_later();  // until the first step is done (train/loop.cpp)
  Ranks ranks(collective::launch_of_environment());
  pick_gpu(ranks.launch());
  ModelInputs inputs = find_model_inputs(written);
  const Recipe recipe = suited_to_cpu(written, options.device.device, inputs.config);
  if (options.dry_run) return dry_run(recipe, inputs, program.common);
  const StopSignals handlers;
  RunRoom room;  // until the other ranks know that this one has failed: they hold memory, too
  return ranks.guard([&] {
    if (!ranks.launch().leads()) return train_along(options, recipe, inputs, ranks);
    return train_in_store(options, recipe, inputs, program, ranks, room);
  });
}

}  // namespace slmtune::cli
