#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {

void setup_merge(CLI::App& app, Program& program) {
  auto options = std::make_shared<MergeOptions>();
  CLI::App* command = app.add_subcommand(
      "merge", "write a Hugging Face folder with the adapter merged into the base");
  command->add_option("MODEL", options->model, "snapshot (STORE#42, STORE#latest) or model folder")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to put on the model (default: none)");
  command->add_option("--to", options->to, "new folder")->required();
  command
      ->add_option(
          "--dtype", options->dtype,
          "number type of the written weights: auto (that of the base), float32 or bfloat16")
      ->capture_default_str()
      ->check(one_of({"auto", "float32", "bfloat16"}));
  finish_command(*command, program, "slmtune merge runs/faq#latest --to out/faq-merged");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().merge(*options, program.common); };
  });
}

}  // namespace slmtune::cli
