#include "cli/engine/resume.h"

#include <algorithm>

#include "cli/engine/run_identity.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "train/checkpoint.h"

namespace slmtune::cli {
namespace {

namespace fs = std::filesystem;
using Changes = std::vector<train::IdentityChange>;

constexpr const char* kOriginName = "resumed_from.json";

// The folder that --resume names: as it is, or by its name in the store.
fs::path named_folder(const Recipe& recipe, const std::string& name) {
  for (const fs::path& folder : {fs::path(name), recipe.store / "runs" / name}) {
    std::error_code error;
    if (!name.empty() && fs::is_directory(folder, error)) return folder.lexically_normal();
  }
  throw UserError("N001", "--resume", "no such run: '" + name + "'",
                  "runs of this store are in " + (recipe.store / "runs").string());
}

[[noreturn]] void refuse_run(const fs::path& run, const std::string& what) {
  throw UserError("T011", run.string(), what,
                  "name another run, or leave --resume out to train anew");
}

EarlierRun named_run(const Recipe& recipe, const TrainOptions& options) {
  fs::path folder = named_folder(recipe, options.resume);
  if (folder.filename().empty()) folder = folder.parent_path();  // "runs/x/"
  std::optional<fs::path> checkpoint;
  if (fs::exists(folder / "state.json")) {
    checkpoint = folder;
    folder = folder_of(folder_of(folder));
  }
  train::RunFolder run = train::RunFolder::open(folder);
  if (run.is_complete() && !options.resume_as_new) refuse_run(folder, "this run is complete");
  if (!checkpoint) checkpoint = train::latest_checkpoint(folder);
  if (!checkpoint) refuse_run(folder, "this run has no checkpoint to go on from");
  return {run, *checkpoint};
}

void check_weights_fit(const EarlierRun& earlier, const Changes& changes) {
  std::vector<Diagnostic> found;
  for (const train::IdentityChange& change : changes)
    if (shapes_weights(change.field))
      found.push_back({"T012", earlier.checkpoint.string(), train::change_text(change), "", ""});
  if (found.empty()) return;
  found.back().help =
      "put it back, or train the new settings from the beginning with --resume never";
  throw UserError(std::move(found));
}

OpenRun start_from(const Recipe& recipe, const EarlierRun& earlier, const Changes& changes) {
  check_weights_fit(earlier, changes);
  OrderedJson origin = {{"run", earlier.folder.name()},
                        {"step", train::read_state(earlier.checkpoint).step},
                        {"changed", OrderedJson::array()}};
  for (const train::IdentityChange& change : changes)
    origin["changed"].push_back(
        {{"field", change.field}, {"before", change.before}, {"now", change.now}});
  train::RunFolder run = train::RunFolder::create(recipe.store, recipe_text(recipe));
  write_file(run.path() / kOriginName, origin.dump(2) + "\n");
  log_info("a new run from the weights of " + earlier.checkpoint.string());
  return {run, std::nullopt, earlier.checkpoint};
}

}  // namespace

std::optional<EarlierRun> earlier_run(const Recipe& recipe, const TrainOptions& options) {
  if (options.resume == "never") return std::nullopt;
  if (options.resume != "auto") return named_run(recipe, options);
  for (const train::RunFolder& run : train::RunFolder::unfinished(recipe.store))
    if (auto checkpoint = train::latest_checkpoint(run.path())) return EarlierRun{run, *checkpoint};
  return std::nullopt;
}

OpenRun open_run(const Recipe& recipe, const TrainOptions& options,
                 const std::optional<EarlierRun>& earlier, const train::Identity& identity) {
  if (!earlier)
    return {train::RunFolder::create(recipe.store, recipe_text(recipe)), std::nullopt,
            std::nullopt};
  const Changes changes =
      train::identity_changes(train::read_state(earlier->checkpoint).identity, identity);
  const bool lends = options.resume_as_new && (!changes.empty() || earlier->folder.is_complete());
  if (lends) return start_from(recipe, *earlier, changes);
  if (!changes.empty()) train::refuse_changes(earlier->checkpoint, changes);
  log_info("resuming " + earlier->checkpoint.string());
  return {earlier->folder, earlier->checkpoint, std::nullopt};
}

OrderedJson resumed_from(const train::RunFolder& run) {
  const fs::path file = run.path() / kOriginName;
  if (!fs::exists(file)) return nullptr;
  return OrderedJson(read_json(file));
}

}  // namespace slmtune::cli
