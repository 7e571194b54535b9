#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {

void setup_chat(CLI::App& app, Program& program) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command =
      app.add_subcommand("chat", "talk with a model; one line is one turn, /reset and /quit");
  command
      ->add_option("MODEL", options->model,
                   "snapshot (STORE#42, STORE#latest), model folder or GGUF file")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  command->add_option("--system", options->system, "system message (default: the template's)");
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  add_sampling_flags(*command, options->sampling);
  add_device_flags(*command, options->device);
  finish_command(*command, program, "slmtune chat runs/faq#latest");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().chat(*options, program.common); };
  });
}

}  // namespace slmtune::cli
