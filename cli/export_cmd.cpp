#include <memory>

#include "cli/engine.h"
#include "cli/option_checks.h"

namespace slmtune::cli {

void setup_export(CLI::App& app, Program& program) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand(
      "export", "write a model for llama.cpp, Ollama or LM Studio (gguf) or transformers (hf)");
  command->add_option("MODEL", options->model, "snapshot (STORE#42, STORE#latest) or model folder")
      ->required();
  command->add_option("--adapter", options->adapter,
                      "PEFT folder or snapshot to merge into the model (default: none)");
  command->add_option("--format", options->format, "gguf or hf")
      ->capture_default_str()
      ->check(one_of({"gguf", "hf"}));
  command->add_option("--encoding", options->encoding,
                      "how GGUF stores the weights: f32, f16, bf16 or q8_0 (default: q8_0)");
  command->add_option("--to", options->to, "new GGUF file, or new folder for hf")->required();
  finish_command(*command, program,
                 "slmtune export runs/faq#latest --format gguf --encoding q8_0 --to out/faq.gguf");
  command->callback([options, &program] {
    program.run = [options, &program] { return engine().export_model(*options, program.common); };
  });
}

}  // namespace slmtune::cli
