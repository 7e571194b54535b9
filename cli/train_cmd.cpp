#include <memory>

#include "cli/command_line.h"
#include "cli/engine.h"
#include "cli/output.h"

namespace slmtune::cli {
namespace {

ExitCode run(const TrainOptions& options, const Program& program) {
  Recipe recipe = read_recipe(options.recipe, options.settings, options.device);
  if (!options.print_recipe) return engine().train(options, recipe, program);
  print(recipe_text(recipe));
  return ExitCode::kDone;
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
                   "auto: go on with an unfinished run of the same recipe; never: start anew; or a "
                   "run's folder or name")
      ->capture_default_str();
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
