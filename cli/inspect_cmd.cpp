#include <memory>

#include "cli/command_line.h"
#include "cli/engine.h"

namespace slmtune::cli {

void setup_inspect(CLI::App& app, Program& program) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand(
      "inspect",
      "what a weight file, GGUF, adapter, tokenizer, checkpoint, snapshot or facts file holds");
  command->add_option("PATH", options->path, "file, folder or snapshot (STORE#42)")->required();
  finish_command(*command, program, "slmtune inspect runs/faq#latest");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().inspect(*options, program.common); };
  });
}

}  // namespace slmtune::cli
