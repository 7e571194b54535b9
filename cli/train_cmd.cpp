#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "cli/command_line.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "collective/launch.h"
#include "core/error.h"
#include "core/file_lock.h"
#include "core/hash_ahead.h"
#include "core/log.h"
#include "store/snapshot_store.h"

namespace slmtune::cli {
namespace {

// One of several processes that is not the first: it trains, and writes nothing.
ExitCode along(const TrainOptions& options, const Recipe& recipe, const Program& program) {
  if (options.print_recipe || options.dry_run) return ExitCode::kDone;
  return engine().train(options, recipe, program);
}

// The engine will ask for the hash of the base; until it is open, a core is free for that.
void hash_weights(const Recipe& recipe) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> files;
  if (recipe.model.path)
    for (const auto& entry : fs::directory_iterator(*recipe.model.path, error))
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  std::sort(files.begin(), files.end());  // as they will be asked for
  if (!files.empty()) hash_ahead(files);
}

ExitCode run(const TrainOptions& options, const Program& program) {
  if (options.resume_as_new && options.resume == "never")
    throw UserError("U006", "slmtune", "--resume-as-new and --resume never exclude each other",
                    "leave one of them out");
  const collective::Launch launch = collective::launch_of_environment();
  if (!launch.leads()) set_up_log(Verbosity::kSilent, false);
  Recipe recipe = read_recipe(options.recipe, options.settings, options.device);
  if (!launch.leads()) return along(options, recipe, program);
  if (options.print_recipe) {
    print(recipe_text(recipe));
    return ExitCode::kDone;
  }
  if (options.dry_run) return engine().train(options, recipe, program);
  // Before LibTorch is opened: whoever comes too late is told so at once.
  store::SnapshotStore store = store::SnapshotStore::create_or_open(recipe.store);
  const FileLock lock(store.lock_path(), program.line);
  hash_weights(recipe);
  return engine().train(options, recipe, program);
}

}  // namespace

void setup_train(CLI::App& app, Program& program) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "train as a recipe says and publish a snapshot");
  command->add_option("RECIPE", options->recipe, "recipe file (YAML)")->required();
  command
      ->add_option(
          "--set", options->settings,
          "key=value over the recipe, e.g. train.epochs=3; may be repeated (default: none)")
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--resume", options->resume,
                   "auto: go on with the newest unfinished run; never: start anew; or a run's "
                   "folder or name, or the folder of one of its checkpoints")
      ->capture_default_str();
  command->add_flag("--resume-as-new", options->resume_as_new,
                    "when settings or rows changed since, go on from the run's weights in a new "
                    "run instead of refusing (off by default)");
  command->add_flag("--dry-run", options->dry_run,
                    "check everything and count rows and steps, write nothing (off by default)");
  command->add_flag("--print-recipe", options->print_recipe,
                    "print the resolved recipe with every key and stop (off by default)");
  add_device_flags(*command, options->device);
  finish_command(*command, program,
                 "slmtune train recipes/quickstart/faq.yaml --set train.epochs=3");
  command->callback([options, &program] {
    program.run = [options, &program] { return run(*options, program); };
  });
}

}  // namespace slmtune::cli
