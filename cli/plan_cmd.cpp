#include <memory>

#include "cli/command_line.h"
#include "cli/engine.h"

namespace slmtune::cli {

void setup_plan(CLI::App& app, Program& program) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand(
      "plan", "memory, time, energy and cost of a recipe before it is started; no weights needed");
  command->add_option("RECIPE", options->recipe, "recipe file (YAML)")->required();
  command
      ->add_option("--gpu", options->gpus,
                   "graphics card to plan for, e.g. 4090, or a facts file like those of "
                   "configs/gpus; may be repeated (default: all that slmtune knows)")
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option(
          "--set", options->settings,
          "key=value over the recipe, e.g. train.epochs=3; may be repeated (default: none)")
      ->take_all()
      ->allow_extra_args(false);
  finish_command(*command, program, "slmtune plan recipes/quickstart/faq.yaml --gpu 4090");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().plan(*options, program.common); };
  });
}

}  // namespace slmtune::cli
