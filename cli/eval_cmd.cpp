#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {

void setup_eval(CLI::App& app, Program& program) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "loss and answers of a model on a file of rows, beside its base");
  command
      ->add_option("MODEL", options->what,
                   "recipe, snapshot (STORE#42, STORE#latest), model folder or GGUF file")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  command->add_option("--data", options->data,
                      "JSONL file to score on (default: the recipe's validation rows)");
  command->add_option("--metrics", options->metrics,
                      "which of loss,exact_match,f1 (default: the recipe's, else all)");
  command->add_option("--max-tokens", options->max_tokens, "longest answer, in tokens")
      ->capture_default_str()
      ->check(whole_number(1, 1 << 20));
  command->add_option("--template", options->chat_template,
                      "chat template (default: recognised from the model folder)");
  add_device_flags(*command, options->device);
  finish_command(*command, program,
                 "slmtune eval runs/faq#latest --data recipes/quickstart/data/faq_heldout.jsonl "
                 "--metrics loss,exact_match,f1");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().eval(*options, program.common); };
  });
}

}  // namespace slmtune::cli
