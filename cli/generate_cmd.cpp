#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {

void setup_generate(CLI::App& app, Program& program) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "answer one prompt");
  command
      ->add_option("MODEL", options->model,
                   "snapshot (STORE#42, STORE#latest), model folder or GGUF file")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  CLI::Option* prompt = command->add_option("--prompt", options->prompt,
                                            "the question, or with --raw the text to go on from");
  command->add_option("--file", options->file, "file with the prompt, instead of --prompt");
  command->add_flag("--raw", options->raw,
                    "no chat template: the model continues the prompt (off by default)");
  command->add_option("--system", options->system,
                      "system message before the prompt (default: the template's)");
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  add_sampling_flags(*command, options->sampling);
  add_device_flags(*command, options->device);
  finish_command(*command, program,
                 "slmtune generate runs/faq#latest --prompt 'When are you open?' --greedy");
  command->callback([options, prompt, &program] {
    options->has_prompt = prompt->count() > 0;
    program.run = [options, &program] { return engine().generate(*options, program.common); };
  });
}

}  // namespace slmtune::cli
